// A list that loads more, and a form that adds to it, with Relay's own directives.

import { graphql } from "relay-runtime";

export const query = graphql`
  query ModelVersionsQuery($model: ID!) {
    model(by: { id: $model }) {
      ...ModelVersions_model
    }
  }
`;

export const list = graphql`
  fragment ModelVersions_model on Model
  @refetchable(queryName: "ModelVersionsMoreQuery")
  @argumentDefinitions(count: { type: "Int", defaultValue: 20 }, cursor: { type: "String" }) {
    versions(first: $count, after: $cursor) @connection(key: "ModelVersions_versions") {
      totalCount
      edges {
        node {
          label
          ...ModelVersions_version
        }
      }
    }
  }
`;

export const row = graphql`
  fragment ModelVersions_version on ModelVersion @refetchable(queryName: "ModelVersionsVersionQuery") {
    number
    stage
    metrics {
      name
      phase
      value
      special
    }
  }
`;

export const add = graphql`
  mutation ModelVersionsAddMutation($input: CreateVersionInput!, $connections: [ID!]!) {
    createVersion(input: $input) {
      version @prependNode(connections: $connections, edgeTypeName: "ModelVersionEdge") {
        ...ModelVersions_version
      }
      errors {
        __typename
        code
        message
        path
        ... on NameTakenError {
          name
        }
      }
      replayed
    }
  }
`;

export const live = graphql`
  subscription ModelVersionsSubscription {
    heartbeat(everySeconds: 10) {
      at
    }
  }
`;
