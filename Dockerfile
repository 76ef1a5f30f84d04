# syntax=docker/dockerfile:1
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE requirements.lock ./
COPY missionops missionops
COPY subscribers subscribers
COPY publishers publishers
COPY migrations migrations
# The exact versions of requirements.lock: with `missionops[notify]`, and without `missionops[embedded]`, because the
# servers run in other containers. pip compiles the modules here, because nothing can be written when the container runs.
RUN python -m venv --without-pip /opt/missionops \
    && pip --python /opt/missionops/bin/python install --no-cache-dir --require-hashes --requirement requirements.lock \
    && pip --python /opt/missionops/bin/python install --no-cache-dir --no-deps . \
    && pip --python /opt/missionops/bin/python check

FROM python:${PYTHON}-slim
COPY --from=build /opt/missionops /opt/missionops

ARG VERSION=0.0.0
LABEL org.opencontainers.image.title="missionops" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"

# A container has a loopback interface of its own, so the service listens on all; compose.yaml publishes the port on the
# loopback interface of the host.
ENV PATH=/opt/missionops/bin:${PATH} \
    MISSIONOPS_HTTP_HOST=0.0.0.0 \
    MISSIONOPS_HTTP_PORT=8000 \
    MISSIONOPS_HTTP_AUTH=tokens \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
EXPOSE 8000

# A number and no name, so that an orchestrator can check that the user is not root.
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:%s/health/live' % os.environ['MISSIONOPS_HTTP_PORT'], timeout=3)"]

ENTRYPOINT ["missionops"]
CMD ["serve"]
