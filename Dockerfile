# The image of all processes. The bases are arguments, so that it can be built where only a local registry is reached. They are pinned by
# the digest, which counts; the tag is for people. docs/dependencies.md says how to renew them.
ARG BUILD_IMAGE=golang:1.26.8@sha256:0f063af2d465d8dcae54cce04278ada488b96f77b42449c8d071e47d016cc65a
ARG BASE_IMAGE=gcr.io/distroless/static:nonroot@sha256:e2e927ec666bae08560abb3c55d0659eceabb657f56b6782ab500a9fc7f555e3

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
# Modules first: a change of the code alone does not load them again.
COPY go.mod go.sum ./
RUN go mod download
COPY api/ api/
COPY cmd/ cmd/
COPY controllers/ controllers/
COPY directory/ directory/
COPY listener/ listener/
COPY login/ login/
COPY marketplace/ marketplace/
COPY stored/ stored/
COPY subscription/ subscription/
COPY webhook/ webhook/
ARG VERSION=dev
ARG COMMIT=unknown
ARG DATE=unknown
# Static, because the base has no C library. -trimpath: the same source makes the same bytes in every folder.
RUN CGO_ENABLED=0 go build -trimpath \
    -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT} -X main.date=${DATE}" \
    -o /out/stallkeeper ./cmd/stallkeeper

FROM ${BASE_IMAGE}
ARG VERSION=dev
ARG COMMIT=unknown
ARG DATE=unknown
LABEL org.opencontainers.image.title="stallkeeper" \
      org.opencontainers.image.description="Runs one isolated tenant for every sale on a cloud marketplace" \
      org.opencontainers.image.source="https://github.com/stallkeeper/stallkeeper" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.created="${DATE}"
COPY --from=build /out/stallkeeper /usr/local/bin/stallkeeper
# A number, because the kubelet can't tell from a name that it is not root.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/stallkeeper"]
