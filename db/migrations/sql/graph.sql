-- What lies over all areas: the edges of lineage and the documents of the search.

create table registry.lineage_edge (
  org_id uuid not null,
  id uuid not null,
  created_at timestamptz not null,
  kind text not null,
  role text,
  upstream_kind text not null,
  upstream_id uuid not null,
  downstream_kind text not null,
  downstream_id uuid not null,
  valid_from timestamptz not null,
  valid_to timestamptz,
  project_id uuid,
  constraint lineage_edge_pk primary key (org_id, id),
  constraint lineage_edge_org_id_project_id_fk foreign key (org_id, project_id) references registry.project(org_id, id)
);
create index lineage_edge_org_id_downstream_id_id_ix on registry.lineage_edge (org_id, downstream_id, id);
create index lineage_edge_org_id_upstream_id_id_ix on registry.lineage_edge (org_id, upstream_id, id);
create unique index lineage_edge_key on registry.lineage_edge (org_id, upstream_id, downstream_id, kind, role) nulls not distinct where (valid_to is null);

create table registry.search_document (
  org_id uuid not null,
  kind text not null,
  id uuid not null,
  parent_id uuid,
  project_id uuid,
  framework text,
  stage text,
  title text not null,
  tags jsonb not null,
  words tsvector,
  constraint search_document_pk primary key (org_id, id, kind)
);
create index search_document_org_id_parent_id_ix on registry.search_document (org_id, parent_id);
create index search_document_words_ix on registry.search_document using gin (words);
