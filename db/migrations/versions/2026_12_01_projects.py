"""Every row names the project that it is part of."""

from alembic import op

from db.projects import STAYS, follow, stay

revision = "2026_12_01_projects"
down_revision = "2026_11_28_indexes"
branch_labels = None
depends_on = None

# Parents stand before their children.
_PLACED = (
    "version", "alias", "alias_revision", "promotion_policy", "promotion_policy_revision", "promotion_request",
    "promotion_review", "version_check", "transition", "slot", "slot_revision", "automation_rule", "deployment",
    "automation_firing", "deployment_change", "deployment_report", "dataset_version", "dataset_profile", "artifact",
    "upload", "lineage_edge",
)  # fmt: skip
_MAYBE = ("promotion_policy", "promotion_policy_revision", "lineage_edge")
_ROOTS = ("model", "experiment", "run", "dataset")
_READ = (*_PLACED, "project", "model", "run", "dataset")


def upgrade() -> None:
    op.execute("alter table registry.promotion_policy rename column project_id to only_project_id")
    _rename_of_policies("project_id", "only_project_id")
    # Forced row-level security hides every row from the owner, who migrates.
    for table in _READ:
        op.execute(f"alter table registry.{table} no force row level security")
    for table in _PLACED:
        op.execute(f"alter table registry.{table} add column project_id uuid")
        for statement in follow(table):
            op.execute(statement)
        op.execute(f"update registry.{table} set project_id = null")
        if table not in _MAYBE:
            op.execute(f"alter table registry.{table} alter column project_id set not null")
        op.execute(
            f"alter table registry.{table} add constraint {table}_org_id_project_id_fk"
            " foreign key (org_id, project_id) references registry.project (org_id, id)"
        )
    for table in _READ:
        op.execute(f"alter table registry.{table} force row level security")
    for statement in (*STAYS, *map(stay, _ROOTS)):
        op.execute(statement)


def downgrade() -> None:
    for table in _ROOTS:
        op.execute(f"drop trigger project on registry.{table}")
    op.execute("drop function registry.stays_in_its_project()")
    for table in reversed(_PLACED):
        op.execute(f"drop trigger project on registry.{table}")
        op.execute(f"drop function registry.{table}_project()")
        op.execute(f"alter table registry.{table} drop column project_id")
    op.execute("alter table registry.promotion_policy rename column only_project_id to project_id")
    _rename_of_policies("only_project_id", "project_id")


def _rename_of_policies(old: str, new: str) -> None:
    op.execute(f"alter table registry.promotion_policy drop constraint if exists promotion_policy_org_id_{old}_fk")
    op.execute(f"alter table registry.promotion_policy drop constraint if exists promotion_policy_org_id_{new}_fk")
    op.execute(
        f"alter table registry.promotion_policy add constraint promotion_policy_org_id_{new}_fk"
        f" foreign key (org_id, {new}) references registry.project (org_id, id)"
    )
    op.execute(
        f"alter index registry.promotion_policy_org_id_{old}_id_ix rename to promotion_policy_org_id_{new}_id_ix"
    )
