"""What types of the graph are built from: edges, mutations, inputs, filters, scalars and errors."""
