# syntax=docker/dockerfile:1
# The server, the worker and the command line in one image, without the embedded services: DATABASE_URL and
# MINIO_ENDPOINT are needed. It runs as a numeric user on a read-only file system.

FROM node:24-bookworm-slim AS page
WORKDIR /page
COPY web/graphiql/package.json web/graphiql/package-lock.json web/graphiql/.npmrc ./
RUN npm ci
COPY web/graphiql/ ./
RUN npm run build

FROM python:3.13-slim-bookworm AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/registry
COPY requirements/server.lock requirements/build.lock /tmp/
RUN /opt/registry/bin/pip install --only-binary :all: --require-hashes -r /tmp/server.lock
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --only-binary :all: --require-hashes -r /tmp/build.lock
COPY . /app/
COPY --from=page /page/dist/ /app/web/graphiql/dist/
# Installed where it lies, as the server finds its page, its examples and its migrations beside its code.
RUN PYTHONPATH=$(echo /opt/build/lib/python3.*/site-packages) \
        /opt/registry/bin/pip install --no-deps --no-index --no-build-isolation --editable /app \
    && /opt/registry/bin/python -m compileall -q /app

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="Model Registry" \
      org.opencontainers.image.description="A self-hosted model registry served as one GraphQL graph."
COPY --from=packages /opt/registry /opt/registry
COPY --from=packages /app /app
# The user has no entry in the list of users, so its home is said here.
ENV PATH=/opt/registry/bin:$PATH PYTHONDONTWRITEBYTECODE=1 HOME=/app HOST=0.0.0.0 PORT=8000
WORKDIR /app
USER 10001:10001
EXPOSE 8000
# What it begins is finished first: requests within 25 seconds, streams are told to come again.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/livez\", timeout=2)"]
CMD ["registry", "serve"]
