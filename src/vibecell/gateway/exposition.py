"""What is measured, in the text that Prometheus reads.

Owns how a family is shown; refuses one that is not in ``model/families.py``, or series that do
not fit it.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from vibecell.model.errors import ProtocolViolation
from vibecell.model.families import FAMILIES
from vibecell.model.measures import Family, Measured, Series

MEDIA_TYPE = CONTENT_TYPE_LATEST


class _Shown(Collector):
    def __init__(self, measured: Iterable[Measured]) -> None:
        self._measured = measured

    def collect(self) -> Iterator[Metric]:
        """See ``Collector.collect``."""
        return map(_shown, self._measured)


def exposition(measured: Iterable[Measured]) -> bytes:
    """The text of all of it.

    Args:
        measured: each family once.

    Raises:
        ProtocolViolation: something of it is of no family of ours.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Shown(tuple(measured)))
    return generate_latest(registry)


def _shown(measured: Measured) -> Metric:
    family = FAMILIES.get(measured.family)
    if family is None or not all(_fits(series, family) for series in measured.series):
        raise ProtocolViolation("show what is measured")
    if family.kind == "histogram":
        return _histogram(family, measured.series)
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    shown: CounterMetricFamily | GaugeMetricFamily
    shown = kind(family.name, family.help, labels=family.labels)
    for series in measured.series:
        shown.add_metric(series.labels, series.value)
    return shown


def _histogram(family: Family, all_series: tuple[Series, ...]) -> HistogramMetricFamily:
    shown = HistogramMetricFamily(family.name, family.help, labels=family.labels)
    names = (*(str(float(bound)) for bound in family.bounds), "+Inf")
    for series in all_series:
        total, buckets = 0, []
        for name, count in zip(names, series.counts, strict=True):
            total += count
            buckets.append((name, float(total)))
        shown.add_metric(series.labels, buckets, series.value)
    return shown


def _fits(series: Series, family: Family) -> bool:
    buckets = len(family.bounds) + 1 if family.kind == "histogram" else 0
    return len(series.labels) == len(family.labels) and len(series.counts) == buckets
