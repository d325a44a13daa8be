// What a frontend does with the generated types; `tsc --strict` fails where the graph would make it guess.

import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import * as documents from "./generated/codegen/graphql";

declare function ask<Data, Variables>(document: TypedDocumentNode<Data, Variables>, variables: Variables): Promise<Data>;

declare function never(value: never): string;

/** A step of the lineage: each kind of thing by its `__typename`, and none left out. */
type Step = documents.LineageGraphFragment["steps"][number]["node"];

export function caption(step: Step): string {
  switch (step.__typename) {
    case "Run":
      return `${step.title}: ${step.status}`;
    case "ModelVersion":
      return `${step.title}: ${step.stage}`;
    case "DatasetVersion":
      return step.title;
    case "Deployment":
      return `${step.title}: ${step.health}`;
    default:
      return never(step);
  }
}

/** A page of a table: variables are checked, a row's fields need no question mark where the graph promises them. */
export async function versions(model: string, after: string | null): Promise<readonly string[]> {
  const { model: found } = await ask(documents.ModelScreenDocument, { model, first: 20, after });
  if (!found) return [];
  const total: number = found.versions.totalCount;
  return found.versions.nodes.map((version) => {
    const stage: documents.Stage = version.stage;
    const best = version.metrics[0]?.value?.toFixed(3) ?? "not measured";
    return `${version.number} of ${total} ${version.label} ${stage} ${best} ${version.run?.name ?? "by hand"}`;
  });
}

/** What `node` answers is told apart by `__typename`. */
export async function heading(run: string): Promise<string> {
  const { node } = await ask(documents.RunScreenDocument, { run });
  return node?.__typename === "Run" ? `${node.name} of ${node.project.name}` : "gone";
}

/** Failures are data: each has a code, and some have a type with more fields. */
export async function register(input: documents.CreateVersionInput): Promise<string> {
  const { createVersion } = await ask(documents.RegisterDocument, { input });
  const [error] = createVersion?.errors ?? [];
  if (!error) return createVersion?.version?.id ?? "";
  return error.__typename === "NameTakenError" ? `${error.name} is taken` : error.code;
}

export const byName: documents.IdOrName = { name: { project: "some id", name: "churn" } };

// @ts-expect-error exactly one of the two
export const byBoth: documents.IdOrName = { id: "some id", name: { project: "some id", name: "churn" } };

// @ts-expect-error a variable of the screen that is not given
export const lacking = ask(documents.VersionScreenDocument, { depth: 3 });

// @ts-expect-error text where the graph takes one of its codes
export const wrong: documents.Phase = "TRAIN";
