/* SPDX-License-Identifier: MIT
 *
 * hub_server.h - a loopback server that behaves like the Hugging Face hub and
 * its storage host, and misbehaves on request. The server is threads of this
 * process.
 *
 * ROOT/ORG/NAME/refs/REVISION      a commit; REVISION as in the URL:
 *                                  refs%2Fpr%2F1
 * ROOT/ORG/NAME/COMMIT/FILE        the files
 * ROOT/ORG/NAME/token              optional: the token that requests need
 * ROOT/ORG/NAME/gated              optional: 403 GatedRepo
 *
 * *.safetensors and *.bin are answered with a 302 to the storage host, another
 * origin; other files with their bytes. Asked as a proxy, for http://HOST/PATH,
 * the server answers for PATH as the one of the two whose path it is.
 */
#ifndef CLIPC_HUB_SERVER_H
#define CLIPC_HUB_SERVER_H

typedef struct hub_server hub_server;

/* Ends the process if no socket can be made. The server lives as long as the
 * process. */
hub_server *hub_server_start(const char *root);

/* Serves another folder from now on. */
void hub_server_root(hub_server *server, const char *root);

const char *hub_server_url(const hub_server *server);
const char *hub_server_storage_url(const hub_server *server);

/* "MATCH | KEY=VALUE ..." is the answer to requests whose line contains MATCH.
 * Lines are "hub HEAD /o/n/resolve/main/config.json", "storage GET /o/n/...".
 * The first rule that matches counts.
 *
 *     skip=N times=N      after N requests, for N requests (all)
 *     status=N code=TEXT message=TEXT   an error; _ in a message is a blank
 *     page=N              its body has N bytes
 *     headers=N           N bytes of headers
 *     wait=N              Retry-After      limit=N    RateLimit with t=N
 *     drop=1              no answer        silent=1   no answer and no end
 *     cut-header=N        only N bytes of the header
 *     cut=N               only N bytes of the body
 *     stop=N              N bytes of the body, then nothing more
 *     slow=N              N bytes of the body ten times a second
 *     etag=T size=N commit=T location=T   false headers; - leaves a header out
 *     mirror=URL          with status=308: Location is URL and the path
 *     etag-suffix=T       after the true etag, in its quotes
 *     etag-sum=md5|sha1   the etag is this sum of the file
 *     xet=1               the headers of a file that is kept in Xet's storage
 *     length=N            Content-Length; - leaves the header out
 *     no-range=1          the whole file for a Range
 *     part=1              206 for the whole file
 *     range-start=N range-total=N   in Content-Range
 *     flip=N              byte N of the file is wrong
 *     extra=N             N bytes more at the end
 *     gzip=1              says Content-Encoding: gzip
 */
void hub_server_rule(hub_server *server, const char *rule);

/* Forgets rules and requests. */
void hub_server_reset(hub_server *server);

/* Counts the requests so far whose log line contains a piece. Log lines are
 * "hub HEAD /o/n/resolve/x auth=no range=-",
 * "storage GET /o/n/x auth=no range=100". */
unsigned hub_server_count(hub_server *server, const char *piece);

/* Returns the log, malloc'ed, for a failed test. */
char *hub_server_log(hub_server *server);

#endif /* CLIPC_HUB_SERVER_H */
