"""How versions come to production and leave it: policies, a refusal with reasons, somebody else's word, a way back."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from demo import deploying, training
from demo.catalog import Catalog, ModelVersion
from demo.client import ChangeRefused, Client, RegistryProblem
from demo.data import Sample
from demo.deploying import Placement
from demo.lines import line, sentence

CHECK: Final = "answers-requests"
RECALL: Final = "recall_malignant"
MALIGNANT: Final = 0
"""The number of the class that must not be overlooked."""
PATIENCE_S: Final = 60.0
_SIGNS: Final = {"PASSED": ("✓", "green"), "WAITING": ("…", "yellow"), "FAILED": ("✗", "red")}

# The page of who published the data stays elsewhere: nobody here reads its bytes.
_FILES: Final = {"integrity": {"allowExternal": True}}
_ACCURACY: Final = {"metric": "accuracy", "phase": "TEST"}
_TO_STAGING: Final = [
    _FILES,
    {"requiredFacts": {"signature": True, "runtime": True}},
    {"metricThreshold": {**_ACCURACY, "minimum": 0.9}},
]
_TO_PRODUCTION: Final = [
    _FILES,
    {"requiredFacts": {"signature": True, "runtime": True, "datasets": True}},
    {"metricThreshold": {**_ACCURACY, "minimum": 0.9}},
    {"notWorseThanChampion": {**_ACCURACY, "direction": "MAXIMIZE", "tolerance": 0.05}},
    {"metricThreshold": {"metric": RECALL, "phase": "TEST", "minimum": 0.8}},
    # One person tells this whole story; elsewhere a service account reports.
    {"externalCheck": {"name": CHECK, "allowAuthors": True}},
]
_APPROVED: Final = {"approvals": {"count": 1, "role": "MAINTAINER"}}

_PLAN: Final = """query Plan($version: ID!, $to: Stage!) {
  version(by: {id: $version}) { promotionPlan(target: {stage: $to}) { revision digest } }
}"""
_PRODUCTION: Final = """query Production($model: ID!) {
  node(id: $model) { ... on Model { production { revision } } }
}"""
_LIVE: Final = """subscription PromotionsAsTheyHappen($model: ID!) {
  promotionEvents(model: $model, stage: PRODUCTION, kinds: [PROMOTED, ROLLED_BACK]) {
    ... on PromotionEvent { kind fromStage toStage version { label } actor { name } }
  }
}"""
_REVIEWER: Final = "{ viewer { name } }"


@dataclass(frozen=True)
class Candidate:
    """A version that is to go to production, where it runs then, and rows like those it learned from."""

    placement: Placement
    sample: Sample

    @property
    def version(self) -> ModelVersion:
        """The version."""
        return self.placement.version


class Promotions:
    """Brings versions of one model to production and back; `reviewer` asks as somebody else, if there is one."""

    def __init__(self, client: Client, reviewer: Client | None, catalog: Catalog, console: Console) -> None:
        self._client = client
        self._reviewer = reviewer
        self._catalog = catalog
        self._console = console

    def tell(self, reliable: Candidate, hasty: Candidate) -> None:
        """Bring the first to production, let the second take its place and fail there, and go back to the first.

        A subscription tells of it meanwhile. Raises: RegistryProblem.
        """
        self._protect(reliable.version)
        self._stage(reliable)
        self._attempt(reliable)
        self._mend(reliable)
        with self._client.follow(_LIVE, model=reliable.version.model_id) as messages:
            # The first says from where on nothing is missed.
            next(messages)
            self._release(reliable, "it is in PRODUCTION")
            self._hear(messages, reliable.version.label)
            self._stage(hasty)
            self._mend(hasty)
            self._release(hasty, "it takes the place of the other")
            self._hear(messages, hasty.version.label)
            back = self._roll_back(hasty)
            self._hear(messages, back)

    def _protect(self, version: ModelVersion) -> None:
        """Say what versions of the model have to show."""
        to_production = [*_TO_PRODUCTION, _APPROVED] if self._reviewer else _TO_PRODUCTION
        for to, gates, is_automatic in (("STAGING", _TO_STAGING, False), ("PRODUCTION", to_production, True)):
            values: dict[str, Any] = {"model": version.model_id, "to": to, "gates": gates, "isAutomatic": is_automatic}
            values["reason"] = "Nobody is to be surprised by a model."
            self._client.change("setPromotionPolicy", "promotionPolicy { id }", **values)
        self._say(
            "✓", version.model, f"policies: {len(_TO_STAGING)} gates to STAGING, {len(to_production)} to PRODUCTION"
        )
        if self._reviewer is None:
            self._quote(
                ("–", "dim"), "No approval is asked for: REGISTRY_REVIEWER_TOKEN is the token of somebody else."
            )

    def _stage(self, candidate: Candidate) -> None:
        version = candidate.version
        plan = self._plan(version, "STAGING")
        values = {"version": version.id, "to": "STAGING", "expectedRevision": plan["revision"]}
        self._client.change("promoteVersion", "transition { id }", **values, reason="It is to be tried.")
        self._say("✓", version.title, "is in STAGING")

    def _attempt(self, candidate: Candidate) -> None:
        """Promote what is not ready, to be told why. Raises: RegistryProblem with code NOT_REFUSED."""
        version = candidate.version
        plan = self._plan(version, "PRODUCTION")
        values = {"version": version.id, "to": "PRODUCTION", "expectedRevision": plan["revision"]}
        verdicts = "... on GateFailedError { verdicts { outcome message } }"
        try:
            self._client.change("promoteVersion", "transition { id }", errors=verdicts, **values)
        except ChangeRefused as refusal:
            if refusal.code != "GATE_FAILED":
                raise
            self._say("✗", version.title, "may not go to PRODUCTION yet:")
            self._show(refusal.details["verdicts"])
            return
        raise RegistryProblem("NOT_REFUSED", f"{version.title} went to PRODUCTION, although gates are shut.")

    def _mend(self, candidate: Candidate) -> None:
        """Log the evaluation that is missing, and report the check that nobody reported."""
        version, placement = candidate.version, candidate.placement
        point = training.recall(placement.estimator, candidate.sample, MALIGNANT, RECALL)
        self._catalog.measure(version, [point])
        seen = deploying.observe(placement.estimator, candidate.sample)
        self._client.change(
            "reportCheck",
            "versionCheck { id }",
            version=version.id,
            name=CHECK,
            digest=self._plan(version, "PRODUCTION")["digest"],
            passed=seen.is_healthy,
            summary=seen.message,
        )
        self._say("✓", version.title, f"{RECALL} {point.value:.3f}; {seen.message}")

    def _release(self, candidate: Candidate, what: str) -> None:
        """Ask for the promotion; with the approval, the last gate to open, it has happened. Then let it run there."""
        version = candidate.version
        values = {"version": version.id, "to": "PRODUCTION", "reason": "It was tried, and every gate but one is open."}
        revision = self._plan(version, "PRODUCTION")["revision"]
        asked = self._client.change(
            "requestPromotion", "promotionRequest { id state }", **values, expectedRevision=revision
        )["promotionRequest"]
        state, how = asked["state"], "every gate is open"
        if self._reviewer is not None:
            decided = {"request": asked["id"], "decision": "APPROVED", "comment": "Looked at, and it is good."}
            reviewed = self._reviewer.change("reviewPromotion", "promotionRequest { state }", **decided)
            state, how = (
                reviewed["promotionRequest"]["state"],
                f"{self._reviewer.ask(_REVIEWER)['viewer']['name']} approves",
            )
        if state != "COMPLETED":
            raise RegistryProblem("NOT_COMPLETED", f"The request for {version.title} is {state}, with every gate open.")
        self._say("✓", version.title, f"{how}: {what}")
        deploying.deploy(self._client, [candidate.placement])

    def _hear(self, messages: Iterator[dict[str, Any]], label: str) -> None:
        """Wait until it is told live that a version came to production. Raises: RegistryProblem with code NOT_TOLD."""
        ends = time.monotonic() + PATIENCE_S
        for message in messages:
            event = message["promotionEvents"]
            # What has no kind is a bookmark: it comes every half minute in which nothing happens.
            if "kind" in event and event["version"]["label"] == label:
                kind, way = event["kind"].lower().replace("_", " "), f"{event['fromStage']} → {event['toStage']}"
                self._quote(("«", "blue"), f"told live: {label} {kind}, {way}, by {event['actor']['name']}")
                return
            if time.monotonic() > ends:
                break
        raise RegistryProblem("NOT_TOLD", f"No subscription told within a minute that {label} came to PRODUCTION.")

    def _roll_back(self, hasty: Candidate) -> str:
        """Take back the promotion of a version that fails in production; the label of the one that is back."""
        seen = deploying.observe(hasty.placement.estimator, hasty.placement.requests)
        self._say("✗", hasty.version.title, "fails in production:")
        self._quote(_SIGNS["FAILED"], seen.message)
        revision = self._client.ask(_PRODUCTION, model=hasty.version.model_id)["node"]["production"]["revision"]
        back: str = self._client.change(
            "rollBackModel",
            "transition { version { label } }",
            model=hasty.version.model_id,
            expectedRevision=revision,
            reason=seen.message,
        )["transition"]["version"]["label"]
        self._say("✓", f"{hasty.version.model} {back}", "is back in PRODUCTION, in one step")
        return back

    def _plan(self, version: ModelVersion, to: str) -> dict[str, Any]:
        """The revision of the slot, and the digest of the version as it is now."""
        plan: dict[str, Any] = self._client.ask(_PLAN, version=version.id, to=to)["version"]["promotionPlan"]
        return plan

    def _say(self, sign: str, title: str, what: str) -> None:
        self._console.print(line(sign, title, what))

    def _show(self, verdicts: Sequence[dict[str, Any]]) -> None:
        for verdict in verdicts:
            self._quote(_SIGNS[verdict["outcome"]], verdict["message"])

    def _quote(self, sign: tuple[str, str], said: str) -> None:
        self._console.print(sentence(said, before=Text.assemble("    ", sign, " ")))
