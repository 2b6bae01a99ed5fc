# One image for both processes: `python -m streaming` (learner) and `python -m service` (API, the default).
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/sluicegate
ENV PATH=/opt/sluicegate/bin:$PATH
COPY requirements/*.txt /build/requirements/
# Further locked extras, by the names of their files; `ray` for learners that share the stream,
# `otel` for traces.
ARG EXTRAS=""
RUN pip install --require-hashes --only-binary :all: \
      -r /build/requirements/image.txt -r /build/requirements/build.txt \
      $(for extra in $EXTRAS; do echo "-r /build/requirements/$extra.txt"; done)
COPY pyproject.toml README.md /build/
COPY models /build/models
COPY streaming /build/streaming
COPY service /build/service
RUN pip install --no-deps --no-build-isolation /build \
    && pip uninstall --yes --quiet setuptools pip \
    && python -m compileall -q -j 0 /opt/sluicegate/lib
# The oldest CPU the compiled kernels must run on. x86-64-v3 is Haswell (2013) and later; on others, and on a machine
# older than this, the start compiles them again (deploy/image/entrypoint.sh).
ARG KERNEL_CPU=x86-64-v3
COPY deploy/image/compile.sh /build/
# Only a coordinator of shards merges, and only an image with Ray has one.
RUN sh /build/compile.sh "$KERNEL_CPU" /opt/kernels $(case " $EXTRAS " in (*" ray "*) echo merging ;; esac)

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="sluicegate" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --system --gid 10001 sluicegate \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent sluicegate
ENV PATH=/opt/sluicegate/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /opt/sluicegate /opt/sluicegate
# Owned by root and read-only: numba's cache is made of pickles, so nobody but the image may write it.
COPY --from=build /opt/kernels /opt/kernels
COPY deploy/image/entrypoint.sh deploy/image/healthcheck.py deploy/image/keys.py /opt/image/
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000 8001
ENTRYPOINT ["/bin/sh", "/opt/image/entrypoint.sh"]
CMD ["python", "-m", "service"]
# The learner answers at http://127.0.0.1:8001/livez: docker-compose.yml says so for it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=90s --retries=3 \
  CMD ["python", "/opt/image/healthcheck.py", "http://127.0.0.1:8000/livez"]
