"""Figures for Prometheus: what the doors do. Each application has its own registry, so two in one process don't mix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from storage.catalogue.fixity import State, TierState


class Metrics:
    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "liuhen_http_answers", "Answers by method and status", ["method", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "liuhen_http_seconds", "Time to the first byte of an answer", ["method"], registry=self._registry
        )
        self._streamed = Counter("liuhen_media_bytes", "Bytes of media sent under a grant", registry=self._registry)
        self._jobs = Gauge("liuhen_jobs", "Jobs by state", ["state"], registry=self._registry)
        self._fixity = Gauge(
            "liuhen_fixity_files", "Stored files by tier and last finding", ["tier", "state"], registry=self._registry
        )
        self._oldest = Gauge(
            "liuhen_fixity_oldest_timestamp_seconds",
            "The check longest ago, by tier",
            ["tier"],
            registry=self._registry,
        )
        self._ledger = Gauge("liuhen_ledger_entries", "Entries under the newest checkpoint", registry=self._registry)
        self._witnessed = Gauge(
            "liuhen_ledger_witnessed_entries", "Entries that a quorum of witnesses cosigned", registry=self._registry
        )

    def answered(self, method: str, status: int, seconds: float) -> None:
        self._answers.labels(method, str(status)).inc()
        self._seconds.labels(method).observe(seconds)

    def streamed(self, count: int) -> None:
        self._streamed.inc(count)

    def checked(self, tiers: Sequence[TierState]) -> None:
        """Set the gauges of fixity."""
        for tier in tiers:
            for state in State:
                self._fixity.labels(tier.tier, state.value).set(tier.states.get(state, 0))
            self._fixity.labels(tier.tier, "unchecked").set(tier.unchecked)
            self._oldest.labels(tier.tier).set(tier.oldest.timestamp() if tier.oldest else 0)

    def text(self, jobs: Mapping[str, int], ledger: int, witnessed: int) -> bytes:
        """The exposition format, with the gauges set to these figures."""
        for state in ("queued", "running", "done", "failed"):
            self._jobs.labels(state).set(jobs.get(state, 0))
        self._ledger.set(ledger)
        self._witnessed.set(witnessed)
        return generate_latest(self._registry)
