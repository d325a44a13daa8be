// Typed documents for every screen, example and story, made as a team with React, Vue or urql makes them.

export default {
  schema: "../../schema/schema.graphql",
  documents: ["../../schema/screens/*.graphql", "../../schema/examples/*.graphql", "../features/documents/*.graphql", "use.graphql"],
  generates: {
    "generated/codegen/": {
      preset: "client",
      presetConfig: { fragmentMasking: false, persistedDocuments: true },
      config: {
        enumsAsTypes: true,
        scalars: {
          BigInt: { input: "string | number", output: "string" },
          DateTime: "string",
          Decimal: { input: "string | number", output: "string" },
          ID: "string",
          JSON: "Record<string, unknown>",
          ParameterValue: "string | number | boolean",
        },
        strictScalars: true,
        useTypeImports: true,
      },
    },
  },
};
