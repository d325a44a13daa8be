"""The kinds of events that there are: what is told of which thing, when, and to the followers of what it comes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

from registry.kernel.errors import BadInput

MAX_KINDS: Final = 50
_LONGEST_KIND: Final = 64
_EVERY: Final = ".*"


class Followed(StrEnum):
    """With what the events of a noun are followed, besides the feed of their organisation and their own subject."""

    ITSELF_AND_PROJECT = "itself and its project"
    ITSELF = "itself"
    PROJECT = "its project"
    MODEL = "its model"
    OWNER = "the model of its version, or the project of its run"
    POLICY = "the model or project it is for, if any"
    DOWNSTREAM = "the model or project of what it leads to"
    NOTHING = "-"


@dataclass(frozen=True)
class Noun:
    """What is told of one kind of thing: its verbs, each with the sentence that says when."""

    followed: Followed
    verbs: Mapping[str, str]


def _kept(what: str) -> dict[str, str]:
    """The verbs of what can be deleted and restored."""
    return {"deleted": f"{what} was deleted; it can be restored.", "restored": f"{what} that was deleted is back."}


NOUNS: Final[Mapping[str, Noun]] = {
    "alias": Noun(
        Followed.MODEL,
        {
            "created": "A version got an alias that no other had.",
            "moved": "An alias went from one version to another.",
            "rolled_back": "An alias is back at a version that it pointed at before.",
            "removed": "An alias was taken away.",
        },
    ),
    "api_token": Noun(
        Followed.NOTHING,
        {"created": "A token was made.", "revoked": "A token was revoked and opens nothing any more."},
    ),
    "artifact": Noun(
        Followed.OWNER,
        {
            "created": "A file was announced, or noted as being elsewhere.",
            "uploaded": "All parts of a file were received; it is being verified.",
            "verified": "The bytes of a file are what was announced; it can be downloaded.",
            "quarantined": "The bytes of a file are not what was announced; nobody gets them.",
            "abandoned": "The upload of a file ended without its bytes.",
            **_kept("A file"),
        },
    ),
    "automation_rule": Noun(
        Followed.MODEL,
        {
            "created": "A rule that acts by itself was made.",
            "updated": "A rule was changed.",
            "fired": "A rule acted.",
            "failed": "A rule was to act and could not.",
            "removed": "A rule was taken away.",
        },
    ),
    "dataset": Noun(
        Followed.PROJECT,
        {"created": "A dataset was made.", "updated": "A dataset was changed.", **_kept("A dataset")},
    ),
    "dataset_profile": Noun(
        Followed.PROJECT,
        {
            "created": "The statistics of a version of a dataset were given.",
            "updated": "The statistics of a version of a dataset were given anew.",
        },
    ),
    "dataset_schema": Noun(Followed.NOTHING, {"created": "Columns that no dataset had before were noted."}),
    "dataset_version": Noun(
        Followed.PROJECT,
        {
            "created": "A version of a dataset was noted.",
            "updated": "A version of a dataset was changed.",
            **_kept("A version of a dataset"),
        },
    ),
    "deployment": Noun(
        Followed.MODEL,
        {
            "created": "A version is to run in an environment where the model did not.",
            "updated": "What a deployment is to run was changed.",
            "observed": "A report says that a deployment runs something else or fares otherwise than before.",
            **_kept("A deployment"),
        },
    ),
    "deployment_change": Noun(Followed.MODEL, {"created": "What a deployment is to run was noted in its history."}),
    "environment": Noun(
        Followed.NOTHING,
        {
            "created": "An environment to deploy to was made.",
            "updated": "An environment was changed.",
            **_kept("An environment"),
        },
    ),
    "experiment": Noun(
        Followed.PROJECT,
        {"created": "An experiment was made.", "updated": "An experiment was changed.", **_kept("An experiment")},
    ),
    "lineage_edge": Noun(
        Followed.DOWNSTREAM,
        {"created": "One thing was noted to come from another.", "ended": "That is no longer held to be so."},
    ),
    "model": Noun(
        Followed.ITSELF_AND_PROJECT,
        {"created": "A model was made.", "updated": "A model was changed.", **_kept("A model")},
    ),
    "organisation": Noun(Followed.NOTHING, {"created": "The organisation was made: its first event."}),
    "price": Noun(
        Followed.NOTHING,
        {"created": "A price of a resource holds from some time on.", "ended": "A price holds up to some time."},
    ),
    "principal": Noun(Followed.NOTHING, {"created": "A user or service account was made."}),
    "project": Noun(
        Followed.ITSELF,
        {"created": "A project was made.", "updated": "A project was changed.", **_kept("A project")},
    ),
    "promotion_policy": Noun(
        Followed.POLICY,
        {
            "created": "Gates for a stage or an alias were set.",
            "updated": "Gates were changed.",
            "removed": "Gates were taken away.",
        },
    ),
    "promotion_request": Noun(
        Followed.MODEL,
        {
            "created": "Somebody asks for a promotion.",
            "approved": "A reviewer approved a request.",
            "rejected": "A reviewer rejected a request, which ends it.",
            "completed": "The version that a request was for was promoted.",
            "withdrawn": "A request was taken back.",
            "expired": "A request was not decided in time.",
            "stale": "A request ended because the version or the stage is not what it was.",
            "closed": "A request is closed after the review that decided it.",
        },
    ),
    "role_binding": Noun(Followed.NOTHING, {"created": "Somebody got a role."}),
    "run": Noun(
        Followed.PROJECT,
        {
            "created": "A run began.",
            "updated": "A run was changed.",
            "ended": "A run ended, well or not.",
            "lost": "Nothing was heard of a run for too long.",
            "found": "A run that was lost was heard of again.",
            **_kept("A run"),
        },
    ),
    "runtime": Noun(Followed.NOTHING, {"created": "An environment of software that was not known was noted."}),
    "signature": Noun(Followed.NOTHING, {"created": "Inputs and outputs that no version had before were noted."}),
    "team": Noun(
        Followed.NOTHING,
        {"created": "A team was made.", "updated": "A team was changed.", **_kept("A team")},
    ),
    "upload": Noun(
        Followed.OWNER,
        {
            "created": "An upload of a file was opened.",
            "completed": "An upload was completed.",
            "extended": "An upload got its full time again.",
            "aborted": "An upload was given up.",
            "expired": "An upload was not completed in time.",
        },
    ),
    "version": Noun(
        Followed.MODEL,
        {
            "created": "A version was registered.",
            "updated": "A version was changed.",
            "measured": "Metrics of a version were logged.",
            "promoted": "A version entered a stage.",
            "rolled_back": "A version is back in a stage that it held before.",
            "displaced": "A version left a stage to another.",
            "demoted": "A version left a stage and no other entered it.",
            "archived": "A version was put away.",
            "reactivated": "A version that was put away is in development again.",
            **_kept("A version"),
        },
    ),
    "version_check": Noun(Followed.MODEL, {"created": "Another system told what it found out about a version."}),
    "webhook": Noun(
        Followed.NOTHING,
        {
            "created": "A webhook was made.",
            "updated": "A webhook was changed.",
            "enabled": "A webhook that was disabled goes on.",
            "disabled": "A webhook is told nothing any more, by somebody or after too many failures.",
            "secret_rotated": "A webhook got another secret.",
            "skipped": "A webhook was sent on past events.",
            **_kept("A webhook"),
        },
    ),
    "webhook_delivery": Noun(Followed.NOTHING, {"created": "Somebody had an event delivered again, or pinged."}),
}
"""By their nouns, each the kind of its subject, in order."""

KINDS: Final = frozenset(f"{noun}.{verb}" for noun, told in NOUNS.items() for verb in told.verbs)


def checked(given: Collection[str]) -> frozenset[str]:
    """Kinds as somebody asks for them, whole or `noun.*`, all of them known. Raises: BadInput with what was meant."""
    if len(given) > MAX_KINDS:
        raise BadInput(f"Ask for at most {MAX_KINDS} kinds of events, or for all of a noun, such as `version.*`.")
    for kind in given:
        if kind not in KINDS and not (kind.endswith(_EVERY) and kind.removesuffix(_EVERY) in NOUNS):
            raise BadInput(_unknown(kind))
    return frozenset(given)


def whole(given: Collection[str]) -> frozenset[str]:
    """The kinds that were asked for, with those of a noun instead of `noun.*`.

    What this release does not know stays as it is and matches nothing: to leave it out could leave nothing, which is
    every event.
    """
    found: set[str] = set()
    for kind in given:
        told = NOUNS.get(kind.removesuffix(_EVERY)) if kind.endswith(_EVERY) else None
        found |= {kind} if told is None else {f"{kind.removesuffix(_EVERY)}.{verb}" for verb in told.verbs}
    return frozenset(found)


def _unknown(kind: str) -> str:
    """The sentence for a kind that there is not, with the verbs of its noun or the nearest that there are."""
    noun = kind.partition(".")[0]
    if noun in NOUNS:
        verbs = ", ".join(f"`{noun}.{verb}`" for verb in NOUNS[noun].verbs)
        return f"There is no such kind of events about `{noun}`. There are {verbs}, and `{noun}.*` for all of them."
    shown = kind[:_LONGEST_KIND]
    near = get_close_matches(shown, sorted(KINDS), n=3) or [
        f"{one}.*" for one in get_close_matches(shown.partition(".")[0], sorted(NOUNS), n=3)
    ]
    meant = f"Did you mean {', '.join(f'`{one}`' for one in near)}?" if near else f"The nouns are {', '.join(NOUNS)}."
    return (
        f"There are no events of this kind. One is written as `version.created`, all of a noun as `version.*`. {meant}"
    )
