# One image for agent, aggregator and standalone: an interpreter, the packages of
# requirements/image.txt and the libraries that they load. No shell, no package
# manager, no set-uid program; the user is 65532 and nothing of it is written to.
#
#   buildah bud --tag goodput-exporter .
#   buildah bud --build-arg BASE=my/debian-with-python --tag goodput-exporter .
#
# BASE needs Python 3.11 with its venv module, ldd and authorities' certificates. It
# gives the interpreter and the C library, and nothing else. Name it by digest for a
# release, so that the same sources give the same image.
ARG BASE=python:3.11.14-slim-bookworm

FROM ${BASE} AS packages
# For a mirror and its authority, as files that are mounted; unset, pip asks where it
# always does.
ARG PIP_CONFIG_FILE
ARG PIP_CERT
WORKDIR /src
COPY requirements/image.txt requirements/image-build.txt requirements/
RUN python3 -m venv /tools \
 && /tools/bin/python -m pip --disable-pip-version-check --no-cache-dir install --quiet \
      --require-hashes --no-deps --only-binary :all: -r requirements/image-build.txt \
 && python3 -m venv --without-pip /opt/goodput-exporter \
 && /tools/bin/pip --python /opt/goodput-exporter/bin/python --no-cache-dir install --quiet \
      --require-hashes --no-deps --only-binary :all: -r requirements/image.txt

FROM packages AS build
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY image image
RUN /tools/bin/pip wheel --quiet --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /tools/bin/pip --python /opt/goodput-exporter/bin/python install --quiet --no-deps --no-index \
      /wheels/*.whl \
 && /tools/bin/cyclonedx-py environment /opt/goodput-exporter/bin/python --pyproject pyproject.toml \
      --mc-type application --spec-version 1.6 --output-reproducible --output-format JSON --output-file /sbom.json \
 && /tools/bin/python image/assemble.py /root-of-image /opt/goodput-exporter /sbom.json

FROM scratch
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="goodput-exporter" \
      org.opencontainers.image.description="What fraction of GPU time became training progress that was kept, where the rest went, and why." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /root-of-image /
ENV PATH=/opt/goodput-exporter/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    GOODPUT_EXPORTER_LEDGER_PATH=/var/lib/goodput-exporter/ledger.sqlite \
    GOODPUT_EXPORTER_HEARTBEATS_UNIX_PATH=/run/goodput/agent.sock
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/opt/goodput-exporter/bin/goodput-exporter"]
CMD ["standalone"]
