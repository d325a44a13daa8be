"""The demo: real models, trained here and registered over HTTP by a client that knows nothing but the API."""
