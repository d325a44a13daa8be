// The rules that the graph and its documents keep. Run from the root of the repository.

import plugin from "@graphql-eslint/eslint-plugin";

const rules = (chosen) => Object.fromEntries(Object.entries(chosen).map(([rule, how]) => [`@graphql-eslint/${rule}`, how]));
const named = (...names) => Object.fromEntries(names.map((name) => [name, "error"]));

// Left out, with the reason: `alphabetize` (fields stand in the order in which people read them), `strict-id-in-types`
// (values such as a metric have no identity), `require-nullable-result-in-root` (lists are never null here),
// `require-field-of-type-query-in-mutation-result` (a payload shows what was changed), `no-root-type`,
// `no-typename-prefix` (it takes the `runtime` of a run for one).
const schemaRules = rules({
  // Editors and GraphiQL show the description of everything. `@oneOf` is the specification's own and has none.
  "require-description": [
    "error",
    { types: true, FieldDefinition: true, InputValueDefinition: true, EnumValueDefinition: true, rootField: true },
  ],
  // A comment is lost on the way to the client, a description is not.
  ...named("no-hashtag-description", "description-style"),
  // Generated code takes its names from here.
  "naming-convention": [
    "error",
    {
      types: "PascalCase",
      FieldDefinition: "camelCase",
      InputValueDefinition: "camelCase",
      Argument: "camelCase",
      DirectiveDefinition: "camelCase",
      EnumValueDefinition: "UPPER_CASE",
      "FieldDefinition[parent.name.value=Query]": { forbiddenPrefixes: ["query", "get", "list"] },
      EnumTypeDefinition: { forbiddenSuffixes: ["Enum"] },
      InterfaceTypeDefinition: { forbiddenSuffixes: ["Interface"] },
      UnionTypeDefinition: { forbiddenSuffixes: ["Union"] },
      ObjectTypeDefinition: { forbiddenSuffixes: ["Type"] },
    },
  ],
  // Two names that differ in case alone become one name in some languages.
  ...named("unique-enum-value-names", "unique-type-names", "unique-field-definition-names", "unique-operation-types"),
  ...named("known-type-names", "known-argument-names", "known-directives", "provided-required-arguments"),
  // What nothing leads to is a mistake or a leftover.
  "no-unreachable-types": "error",
  // Forms of all mutations can be made alike: one `input`, an object as the answer.
  "input-name": ["error", { checkInputType: true, caseSensitiveInputType: false }],
  "no-scalar-result-type-on-mutation": "error",
  // Exactly one key is given: none of them can be demanded.
  "require-nullable-fields-with-oneof": "error",
  // Who is told to leave a field is told where to go.
  ...named("require-deprecation-reason"),
  // Relay pages through connections by their shape; `nodes` beside `edges` is ours.
  ...named("relay-connection-types", "relay-page-info"),
  // Forward at least: nobody reads a search from its worst hit.
  "relay-arguments": ["error", { includeBoth: false }],
  // `tests/schema/test_conventions.py` names the one kind of edge that leads to no `Node`.
  "relay-edge-types": ["error", { listTypeCanWrapOnlyEdgeType: false, shouldImplementNode: false, withEdgeSuffix: true }],
});

const operationRules = rules({
  // An operation's name is its name in the code of the client, in GraphiQL's tabs and in the logs.
  ...named("no-anonymous-operations", "unique-operation-name", "unique-fragment-name", "lone-anonymous-operation"),
  "naming-convention": [
    "error",
    {
      VariableDefinition: "camelCase",
      OperationDefinition: { style: "PascalCase", forbiddenSuffixes: ["Query", "Mutation", "Subscription"] },
      FragmentDefinition: { style: "PascalCase", forbiddenSuffixes: ["Fragment"] },
    },
  ],
  // Documents show the way that lasts.
  "no-deprecated": "error",
  // A document holds what it uses, once.
  ...named("no-unused-fragments", "no-unused-variables", "no-undefined-variables", "no-duplicate-fields"),
  // The server's own limit.
  "selection-set-depth": ["error", { maxDepth: 12 }],
  // Validity, as the server checks it.
  ...named("executable-definitions", "fields-on-correct-type", "fragments-on-composite-type", "known-argument-names"),
  ...named("known-directives", "known-fragment-names", "known-type-names", "no-fragment-cycles"),
  ...named("one-field-subscriptions", "overlapping-fields-can-be-merged", "possible-fragment-spread", "scalar-leafs"),
  ...named("provided-required-arguments", "unique-argument-names", "unique-input-field-names", "unique-variable-names"),
  ...named("value-literals-of-correct-type", "variables-are-input-types", "variables-in-allowed-position"),
});

const screenRules = rules({
  // Caches of clients know a thing by its id: a screen asks for it wherever there is one.
  "require-selections": "error",
  // A screen is one request.
  "lone-executable-definition": ["error", { ignore: ["fragment"] }],
});

const documents = ["schema/screens/*.graphql", "schema/examples/*.graphql", "tests/features/documents/*.graphql"];
const about = {
  languageOptions: {
    parser: plugin.parser,
    parserOptions: { graphQLConfig: { schema: "schema/schema.graphql", documents } },
  },
  plugins: { "@graphql-eslint": plugin },
};

export default [
  { files: ["schema/schema.graphql"], ...about, rules: schemaRules },
  { files: documents, ...about, rules: operationRules },
  { files: ["schema/screens/*.graphql"], ...about, rules: screenRules },
];
