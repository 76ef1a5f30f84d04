# syntax=docker/dockerfile:1
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY missionops missionops
COPY subscribers subscribers
COPY publishers publishers
COPY migrations migrations
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:${PYTHON}-slim
# Not `missionops[embedded]`: the servers are other containers.
RUN --mount=type=bind,from=build,source=/wheel,target=/wheel \
    pip install --no-cache-dir --no-compile /wheel/*.whl

ARG VERSION=0.0.0
LABEL org.opencontainers.image.title="missionops" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"

# Inside a container the loopback interface is the container's own; compose.yaml publishes the port on the host's.
ENV MISSIONOPS_HTTP_HOST=0.0.0.0 \
    MISSIONOPS_HTTP_PORT=8000 \
    MISSIONOPS_HTTP_AUTH=tokens \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
EXPOSE 8000

# A number, so that an orchestrator can see that it is not root.
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:%s/health/live' % os.environ['MISSIONOPS_HTTP_PORT'], timeout=3)"]

ENTRYPOINT ["missionops"]
CMD ["serve"]
