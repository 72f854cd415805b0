"""Features to maps: regressors, their training and their validation.

Arrays in, arrays out. What lies on disk is ``qhsink.registry``'s business.
"""
