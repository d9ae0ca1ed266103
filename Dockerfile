# The image of cpoa: the binary, the shared libraries that it links, CA certificates, and nothing else (no shell, no package
# manager), about 67 MB. Debian's slim image is what it is built on; with its packages added to it, it would be above 120 MB.
#
#   docker build -t cpoa .                                    # buildah bud --format docker, which keeps HEALTHCHECK
#   docker build --build-arg BASE=debian:bookworm-slim@sha256:... .    # the base pinned to what you have checked
#   docker build --target agents -t cpoa-agents .             # the stand-in agents, for trying it (tests/compose.yaml)
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
SHELL ["/bin/sh", "-euc"]
WORKDIR /src
COPY tests/packages.sh tests/
RUN tests/packages.sh build; \
    apt-get install -y --no-install-recommends libcriterion-dev
COPY . .
ARG REVISION=unknown
# The build of a release, and in it all tests that need no server; one opens two thousand sockets, if it may.
RUN without='^$'; \
    ulimit -S -n 4096 2>/dev/null || without='^unit[.]http_(many|terse)$'; \
    cmake --preset release -DCPOA_TESTS=ON -DCPOA_COMMIT="$(printf %.12s "$REVISION")"; \
    cmake --build build; \
    ctest --test-dir build -L '^(unit|property)$' -E "$without" -j "$(nproc)" --no-tests=error --output-on-failure
# What is to be in the image. The packages that the libraries are of are named where scanners look for them, and their
# copyrights stand where Debian has them. gconv: the character sets of harvested pages.
RUN DESTDIR=/out cmake --install build --prefix /usr --component cpoa --strip; \
    mkdir -p /out/etc /out/var/lib/dpkg/status.d /out/tmp; \
    chmod 1777 /out/tmp; \
    for file in $(ldd build/cpoa | grep -o '/[^ ]*') /usr/lib/$(gcc -print-multiarch)/gconv/*; do \
        install -D -m "$(stat -L -c %a "$file")" "$file" "/out/usr${file#/usr}"; \
        dpkg-query -S "*/${file##*/}" | sed 's/: .*//'; \
    done | sort -u | while read -r package; do \
        name=${package%:*}; \
        dpkg-query -s "$package" >"/out/var/lib/dpkg/status.d/$name"; \
        install -D -m 644 "/usr/share/doc/$name/copyright" "/out/usr/share/doc/$name/copyright"; \
    done; \
    for directory in lib lib64; do \
        [ ! -d "/out/usr/$directory" ] || ln -s "usr/$directory" "/out/$directory"; \
    done; \
    install -D -m 644 /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ca-certificates.crt; \
    mkdir -p /out/usr/lib/ssl; \
    ln -s /etc/ssl/certs/ca-certificates.crt /out/usr/lib/ssl/cert.pem; \
    echo 'hosts: files dns' >/out/etc/nsswitch.conf; \
    echo 'cpoa:x:10001:10001::/:/' >/out/etc/passwd; \
    echo 'cpoa:x:10001:' >/out/etc/group; \
    cp /etc/os-release /out/etc/

FROM ${BASE} AS agents
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates curl espeak-ng libjson-c5 libmicrohttpd12 && \
    rm -rf /var/lib/apt/lists/* && \
    install -d -m 1777 /audio
COPY --from=build /src/build/cpoa-agents /usr/bin/
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["cpoa-agents", "--bind", "0.0.0.0", "--port", "8080"]

FROM scratch
COPY --from=build /out /
ARG BASE
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=
ARG SOURCE=
LABEL org.opencontainers.image.title="cpoa" \
      org.opencontainers.image.description="Durable podcast workflows from RabbitMQ, kept in PostgreSQL" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.vendor="Aethercast" \
      org.opencontainers.image.base.name="${BASE}"
ENV PATH=/usr/bin
WORKDIR /
USER 10001:10001
EXPOSE 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["cpoa", "health"]
ENTRYPOINT ["cpoa"]
CMD ["worker"]
