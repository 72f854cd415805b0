# Random designs through R survey: one line per number pair. Run by against_r.py.
suppressMessages(library(survey))
options(survey.lonely.psu = "fail")
folder <- commandArgs(trailingOnly = TRUE)[1]
say <- function(seed, name, est, mean = NULL, df = NA, domain = "") {
  two <- function(x) if (is.null(x)) c(NA, NA) else c(as.numeric(coef(x)), as.numeric(SE(x)))
  write_line(c(seed, name, domain, two(est), two(mean), df))
}
write_line <- function(x) cat(paste(format(x, digits = 15, trim = TRUE), collapse = ","), "\n")
for (path in Sys.glob(file.path(folder, "t*.csv"))) {
  d <- read.csv(path)
  seed <- sub("t", "", sub(".csv", "", basename(path)))
  n <- nrow(d)
  d$N <- 5 * n
  srs <- svydesign(~1, data = d, weights = ~ I(N / n))
  srsf <- svydesign(~1, data = d, fpc = ~N)
  st <- svydesign(~1, strata = ~stratum, data = d, weights = ~ I(Nh / nh))
  stf <- svydesign(~1, strata = ~stratum, data = d, fpc = ~Nh)
  cl <- svydesign(~cl, strata = ~stratum, data = d, weights = ~ I(Mh / mh))
  clf <- svydesign(~cl, strata = ~stratum, data = d, weights = ~ I(Mh / mh), fpc = ~Mh)
  ht <- svydesign(~1, probs = ~p, data = d)
  hts <- svydesign(~cl, strata = ~stratum, probs = ~p, data = d)
  designs <- list(srs = srs, srs_fpc = srsf, stratified = st, stratified_fpc = stf,
                  cluster = cl, cluster_fpc = clf, ht = ht, ht_cluster = hts)
  for (name in names(designs)) {
    one <- designs[[name]]
    say(seed, name, svytotal(~y, one), svymean(~y, one), degf(one))
  }
  for (k in unique(d$d)) for (name in c("srs", "stratified_fpc")) {
    one <- subset(designs[[name]], d == k)
    say(seed, paste0(name, "_domain"), svytotal(~y, one), svymean(~y, one), degf(one), k)
  }
  pop <- data.frame(g = c("u", "v"), Freq = c(2 * n, 3 * n))
  for (name in c("srs", "srs_fpc")) {
    one <- postStratify(designs[[name]], ~g, pop)
    say(seed, paste0("post_", name), svytotal(~y, one), svymean(~y, one))
  }
  units <- sum(tapply(d$Nh, d$stratum, function(v) v[1]))
  for (name in c("srs", "stratified_fpc")) {
    N <- if (name == "srs") 5 * n else units
    one <- calibrate(designs[[name]], ~ x + z, c(`(Intercept)` = N, x = 6.2 * N, z = 0.1 * N))
    say(seed, paste0("greg_", name), svytotal(~y, one), svymean(~y, one))
    ratio <- svyratio(~y, ~x, designs[[name]])
    write_line(c(seed, paste0("ratio_", name), "", NA, NA, coef(ratio), SE(ratio), NA))
  }
}
