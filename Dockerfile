# syntax=docker/dockerfile:1
# The operator's image: one static binary, the certificate authorities, licences and SBOM. No shell, no libc, not root.
#
# image/build builds it, also where no registry is reachable: there the stage `build` is replaced by a folder that
# image/build-binary has filled on the host.
ARG BUILDER=docker.io/library/rust:1.94.1-bookworm

# Cross-compiles on the machine that builds, whatever the image is for.
FROM --platform=$BUILDPLATFORM ${BUILDER} AS build
# The compiler for the other architecture than the one this stage runs on, with its C library.
RUN case "$(dpkg --print-architecture)" in amd64) other=aarch64 ;; *) other=x86-64 ;; esac \
 && apt-get update && apt-get install --yes cmake python3 "gcc-$other-linux-gnu"
ARG TARGETARCH
# The SBOM's time.
ARG SOURCE_DATE_EPOCH
WORKDIR /src
COPY . .
RUN image/build-binary "${TARGETARCH}" /out

FROM scratch
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="showcore-operator" \
      org.opencontainers.image.description="RDS PostgreSQL, ElastiCache and S3 as Kubernetes objects, always encrypted, watched for drift" \
      org.opencontainers.image.source="https://github.com/showcore/showcore-operator" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/ /
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/showcore-operator"]
CMD ["run"]
