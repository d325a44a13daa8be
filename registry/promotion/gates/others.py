"""Gates that others open: people who approve, systems that report a check, and time that passes."""

from dataclasses import dataclass, replace
from typing import Annotated

from sqlalchemy import and_, func, or_, select
from sqlmodel import col
from typing_extensions import Doc

from db.codes import PrincipalKind, ReviewDecision, Role
from db.tables import Principal, PromotionReview, Transition, VersionCheck
from registry.catalog.version_digest import authors
from registry.kernel import inputs
from registry.kernel.access import NEEDED, RANK
from registry.kernel.errors import InvalidValue
from registry.promotion.gates.gate import Case, Gate, GateVerdict, Path
from registry.promotion.targets import Target, action

MAX_APPROVALS = 20
MAX_STAY_S = 366 * 86_400


@dataclass(frozen=True)
class Approvals(Gate):
    """So many people approved the request. Nobody counts who had a hand in the version or asked for its promotion."""

    count: Annotated[int, Doc(f"How many, 1 to {MAX_APPROVALS}.")] = 1
    role: Annotated[
        Role | None,
        Doc(
            "The least role of those who count, from MAINTAINER upwards. If absent the role that may promote there by"
            " hand: MAINTAINER for STAGING, PROMOTER for PRODUCTION and for aliases."
        ),
    ] = None

    def checked(self, path: Path) -> "Approvals":
        """A number of people that can be found."""
        if not 1 <= self.count <= MAX_APPROVALS:
            raise InvalidValue(f"Ask for 1 to {MAX_APPROVALS} approvals.", (*path, "count"))
        if self.role is not None and RANK[self.role] < RANK[Role.MAINTAINER]:
            raise InvalidValue("Reviews are given by maintainers and higher roles.", (*path, "role"))
        return self

    def least_role(self, target: Target) -> Role:
        """From which role on people count where a version is to go there."""
        return self.role or NEEDED[action(target, is_protected=True)]

    async def judge(self, case: Case) -> GateVerdict:
        """Count the approvals of the version as it is now, by people who had the role when they gave them."""
        least = self.least_role(case.target)
        if case.request is None:
            return self.waits(f"{self._needed} needed: ask for it with requestPromotion.", 0, self.count)
        ranks = [role for role in Role if RANK[role] >= RANK[least]]
        statement = select(func.count()).where(
            col(PromotionReview.org_id) == case.org_id,
            col(PromotionReview.request_id) == case.request.id,
            col(PromotionReview.decision) == ReviewDecision.APPROVED,
            col(PromotionReview.digest) == case.digest,
            col(PromotionReview.role).in_(ranks),
        )
        ((given,),) = await case.reader.rows(statement)
        if given < self.count:
            return self.waits(f"{given} of {self.count} approvals by {least} or a higher role.", given, self.count)
        return self.passes(f"{given} of {self.count} approvals.", given, self.count)

    @property
    def _needed(self) -> str:
        return f"{self.count} approval{'s are' if self.count > 1 else ' is'}"


@dataclass(frozen=True)
class ExternalCheck(Gate):
    """Another system, such as a test pipeline, reported that the version passed a check."""

    name: Annotated[str, Doc("Which check, as its reports call it.")]
    allow_authors: Annotated[
        bool, Doc("Whether reports count of people who made the version or its run, or sent one of its files.")
    ] = False

    def checked(self, path: Path) -> "ExternalCheck":
        """A name that can be reported."""
        return replace(self, name=inputs.name(self.name, (*path, "name")))

    async def judge(self, case: Case) -> GateVerdict:
        """Look at the latest report about the version as it is now."""
        statement = (
            select(col(VersionCheck.passed), col(VersionCheck.summary))
            .join(
                Principal,
                and_(
                    col(Principal.org_id) == col(VersionCheck.org_id),
                    col(Principal.id) == col(VersionCheck.created_by),
                ),
            )
            .where(
                col(VersionCheck.org_id) == case.org_id,
                col(VersionCheck.version_id) == case.version.id,
                col(VersionCheck.name) == self.name,
                col(VersionCheck.digest) == case.digest,
            )
            .order_by(col(VersionCheck.created_at).desc(), col(VersionCheck.id).desc())
            .limit(1)
        )
        if not self.allow_authors:
            made_it = col(Principal.id).in_(await authors(case.reader, case.version))
            statement = statement.where(
                or_(~col(VersionCheck.passed), col(Principal.kind) == PrincipalKind.SERVICE_ACCOUNT, ~made_it)
            )
        found = await case.reader.rows(statement)
        if not found:
            who = "" if self.allow_authors else " Programs count, and people who had no hand in it."
            return self.waits(f"Nobody reported the check {self.name} of this version with its present contents.{who}")
        said = f" {found[0].summary}" if found[0].summary else ""
        if found[0].passed:
            return self.passes(f"The check {self.name} passed.{said}", True, True)
        return self.fails(f"The check {self.name} failed.{said} Mend it and report again.", False, True)


@dataclass(frozen=True)
class MinimumStay(Gate):
    """The version has been in its present stage for some time."""

    minimum_seconds: Annotated[int, Doc("How many seconds at least.")]

    def checked(self, path: Path) -> "MinimumStay":
        """A time that ends."""
        if not 1 <= self.minimum_seconds <= MAX_STAY_S:
            raise InvalidValue(f"A stay is 1 to {MAX_STAY_S} seconds.", (*path, "minimumSeconds"))
        return self

    async def judge(self, case: Case) -> GateVerdict:
        """Look at when it came."""
        statement = select(func.max(col(Transition.created_at))).where(
            col(Transition.org_id) == case.org_id, col(Transition.version_id) == case.version.id
        )
        ((came,),) = await case.reader.rows(statement)
        stay_s = max(0, int((case.now - (came or case.version.created_at)).total_seconds()))
        message = f"It has been in {case.version.stage} for {stay_s} s"
        if stay_s >= self.minimum_seconds:
            return self.passes(f"{message}.", stay_s, self.minimum_seconds)
        left = self.minimum_seconds - stay_s
        return self.waits(
            f"{message}; in {left} s it will be the {self.minimum_seconds} s needed.", stay_s, self.minimum_seconds
        )
