// What differs between two schemas, as JSON on standard output: node diff.mjs old.graphql new.graphql

import { readFileSync } from "node:fs";
import { diff } from "@graphql-inspector/core";
import { buildSchema } from "graphql";

const [before, after] = process.argv.slice(2).map((path) => buildSchema(readFileSync(path, "utf8")));
const changes = await diff(before, after);
const told = changes.map(({ criticality, message, path }) => ({ level: criticality.level, message, path: path ?? "" }));
process.stdout.write(JSON.stringify(told));
