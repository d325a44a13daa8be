"""The kinds of events that there are: what is told of which thing, when, and to the followers of what it comes."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from db.base import Tenant, noun_of
from db.belonging import parents
from db.tables import (
    Alias,
    ApiToken,
    Artifact,
    AutomationRule,
    Dataset,
    DatasetProfile,
    DatasetSchema,
    DatasetVersion,
    Deployment,
    DeploymentChange,
    Environment,
    Experiment,
    LineageEdge,
    Model,
    ModelVersion,
    Organization,
    Price,
    Principal,
    Project,
    PromotionPolicy,
    PromotionRequest,
    RoleBinding,
    Run,
    Runtime,
    Signature,
    Team,
    Upload,
    VersionCheck,
    Webhook,
    WebhookDelivery,
)
from registry.kernel.errors import BadInput

MAX_KINDS: Final = 50
_LONGEST_KIND: Final = 64
_EVERY: Final = ".*"
_ENDS: Final = ("model", "project")


@dataclass(frozen=True)
class Noun:
    """What is told of one kind of thing: the table it is in, and its verbs, each with the sentence that says when."""

    table: type[Tenant]
    verbs: Mapping[str, str]

    @property
    def followed(self) -> str:
        """With what its events are followed, besides the feed of their organization and their own subject."""
        if self.table in (Model, Project):
            return "itself" if self.table is Project else "itself and its project"
        ways = list(_ways(self.table))
        if all(len(way) == 1 or (len(ways) == 1 and way[-1] in _ENDS) for way in ways):
            ends = " or ".join(way[-1] for way in ways)
            return f"its {ends}, if any" if len(ways) > 1 else f"its {ends}" if ways else "-"
        return ", or ".join(f"the {way[-1]} of its {way[-2]}" for way in ways)


def _ways(table: type[Tenant]) -> Iterator[tuple[str, ...]]:
    """What stands on each way from a table up to a model or a project, the table itself left out."""
    for column, above in parents(table).items():
        if above is None:
            yield column.removesuffix("_id"), "model or project"
        elif above in (Model, Project):
            yield (noun_of(above),)
        else:
            yield from ((noun_of(above).replace("_", " "), *way) for way in _ways(above))


def _kept(what: str) -> dict[str, str]:
    """The verbs of what can be deleted and restored."""
    return {"deleted": f"{what} was deleted; it can be restored.", "restored": f"{what} that was deleted is back."}


_NOUNS: Final = (
    Noun(
        Alias,
        {
            "created": "A version got an alias that no other had.",
            "moved": "An alias went from one version to another.",
            "rolled_back": "An alias is back at a version that it pointed at before.",
            "removed": "An alias was taken away.",
        },
    ),
    Noun(
        ApiToken,
        {"created": "A token was made.", "revoked": "A token was revoked and opens nothing any more."},
    ),
    Noun(
        Artifact,
        {
            "created": "A file was announced, or noted as being elsewhere.",
            "uploaded": "All parts of a file were received; it is being verified.",
            "verified": "The bytes of a file are what was announced; it can be downloaded.",
            "quarantined": "The bytes of a file are not what was announced; nobody gets them.",
            "abandoned": "The upload of a file ended without its bytes.",
            **_kept("A file"),
        },
    ),
    Noun(
        AutomationRule,
        {
            "created": "A rule that acts by itself was made.",
            "updated": "A rule was changed.",
            "fired": "A rule acted.",
            "failed": "A rule was to act and could not.",
            "removed": "A rule was taken away.",
        },
    ),
    Noun(
        Dataset,
        {"created": "A dataset was made.", "updated": "A dataset was changed.", **_kept("A dataset")},
    ),
    Noun(
        DatasetProfile,
        {
            "created": "The statistics of a version of a dataset were given.",
            "updated": "The statistics of a version of a dataset were given anew.",
        },
    ),
    Noun(DatasetSchema, {"created": "Columns that no dataset had before were noted."}),
    Noun(
        DatasetVersion,
        {
            "created": "A version of a dataset was noted.",
            "updated": "A version of a dataset was changed.",
            **_kept("A version of a dataset"),
        },
    ),
    Noun(
        Deployment,
        {
            "created": "A version is to run in an environment where the model did not.",
            "updated": "What a deployment is to run was changed.",
            "observed": "A report says that a deployment runs something else or fares otherwise than before.",
            **_kept("A deployment"),
        },
    ),
    Noun(DeploymentChange, {"created": "What a deployment is to run was noted in its history."}),
    Noun(
        Environment,
        {
            "created": "An environment to deploy to was made.",
            "updated": "An environment was changed.",
            **_kept("An environment"),
        },
    ),
    Noun(
        Experiment,
        {"created": "An experiment was made.", "updated": "An experiment was changed.", **_kept("An experiment")},
    ),
    Noun(
        LineageEdge,
        {"created": "One thing was noted to come from another.", "ended": "That is no longer held to be so."},
    ),
    Noun(
        Model,
        {"created": "A model was made.", "updated": "A model was changed.", **_kept("A model")},
    ),
    Noun(Organization, {"created": "The organization was made: its first event."}),
    Noun(
        Price,
        {"created": "A price of a resource holds from some time on.", "ended": "A price holds up to some time."},
    ),
    Noun(Principal, {"created": "A user or service account was made."}),
    Noun(
        Project,
        {"created": "A project was made.", "updated": "A project was changed.", **_kept("A project")},
    ),
    Noun(
        PromotionPolicy,
        {
            "created": "Gates for a stage or an alias were set.",
            "updated": "Gates were changed.",
            "removed": "Gates were taken away.",
        },
    ),
    Noun(
        PromotionRequest,
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
    Noun(RoleBinding, {"created": "Somebody got a role."}),
    Noun(
        Run,
        {
            "created": "A run began.",
            "updated": "A run was changed.",
            "ended": "A run ended, well or not.",
            "lost": "Nothing was heard of a run for too long.",
            "found": "A run that was lost was heard of again.",
            **_kept("A run"),
        },
    ),
    Noun(Runtime, {"created": "An environment of software that was not known was noted."}),
    Noun(Signature, {"created": "Inputs and outputs that no version had before were noted."}),
    Noun(
        Team,
        {"created": "A team was made.", "updated": "A team was changed.", **_kept("A team")},
    ),
    Noun(
        Upload,
        {
            "created": "An upload of a file was opened.",
            "completed": "An upload was completed.",
            "extended": "An upload got its full time again.",
            "aborted": "An upload was given up.",
            "expired": "An upload was not completed in time.",
        },
    ),
    Noun(
        ModelVersion,
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
    Noun(VersionCheck, {"created": "Another system told what it found out about a version."}),
    Noun(
        Webhook,
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
    Noun(WebhookDelivery, {"created": "Somebody had an event delivered again, or pinged."}),
)
NOUNS: Final[Mapping[str, Noun]] = {noun_of(noun.table): noun for noun in _NOUNS}
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
