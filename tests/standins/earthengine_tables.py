# ruff: noqa: A002, N803 - arguments are named as Earth Engine names them
"""What a stand-in Earth Engine computes of tables: features filtered and selected.

Written from the documentation of each function; the graph is walked as for images.
"""

from __future__ import annotations

from shapely.geometry import shape

from tests.standins.earthengine_images import Evaluator, Refused


class TableEvaluator(Evaluator):
    """Computes one expression that gives a collection of features."""

    def collection_loadtable(self, tableId, version=-1):  # noqa: ARG002
        if tableId not in self.world.tables:
            raise Refused(
                f"Collection.loadTable: Collection asset '{tableId}' not found."
            )
        return self.world.tables[tableId]

    def collection_filter(self, collection, filter):
        return [feature for feature in collection if filter(feature)]

    def feature_select(self, input, propertySelectors, retainGeometry=True):
        kept = {k: v for k, v in input["properties"].items() if k in propertySelectors}
        geometry = input["geometry"] if retainGeometry else None
        return {"type": "Feature", "geometry": geometry, "properties": kept}

    def filter_intersects(self, leftField, rightValue):
        assert leftField == ".all"
        return lambda feature: shape(feature["geometry"]).intersects(rightValue)

    def filter_equals(self, leftField, rightValue):
        return lambda feature: feature["properties"].get(leftField) == rightValue

    def filter_lessthan(self, leftField, rightValue):
        return self._compared(leftField, lambda value: value < rightValue)

    def filter_greaterthan(self, leftField, rightValue):
        return self._compared(leftField, lambda value: value > rightValue)

    def filter_not(self, filter):
        return lambda feature: not filter(feature)

    def _compared(self, name, test):
        def passes(feature):
            value = feature["properties"].get(name)
            return value is not None and test(value)

        return passes
