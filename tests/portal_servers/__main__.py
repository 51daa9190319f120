"""Run the test portal until standard input closes: ``python -m portal_servers FOLDER [RUNS]``.

Prints one line of JSON: the environment that leads programs to it, and the address of its control.
"""

import http.client
import json
import logging
import sys
import threading
from pathlib import Path
from urllib.parse import quote

from moto.server import ThreadedMotoServer

from patience import HANG_SECONDS
from portal_servers.certificates import tls
from portal_servers.front import Front, State
from portal_servers.graphql_portal import GraphQLPortal
from portal_servers.made_up import Portal, made_up
from portal_servers.names import BUCKET, SHAPE_ZYX


def fill_bucket(port: int, portal: Portal) -> None:
    """Put the portal's objects into moto; then a policy that lets everyone read and list."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_SECONDS)

    def put(path: str, content: bytes) -> None:
        connection.request("PUT", f"/{BUCKET}{quote(path)}", body=content)
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status < 300, f"{path}: {answer.status} {said!r}"

    put("", b"")
    for key, content in portal.objects.items():
        put(f"/{key}", content)
    allowed = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject", "s3:HeadObject", "s3:ListBucket"],  # HEAD: as moto calls it
        "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    connection.request("PUT", f"/{BUCKET}?policy", body=policy.encode())
    assert connection.getresponse().status < 300
    connection.close()


def main(folder: Path, runs: int, shape_zyx: tuple[int, int, int]) -> None:
    """Serve until standard input closes."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    context, authority = tls(folder)
    portal = made_up(runs, shape_zyx)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    _, s3_port = moto.get_host_and_port()
    fill_bucket(s3_port, portal)
    front = Front(State(GraphQLPortal(portal.tables).answer, s3_port, context))
    threading.Thread(target=front.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{front.server_address[1]}"
    environment = {
        "HTTPS_PROXY": address,
        "https_proxy": address,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "REQUESTS_CA_BUNDLE": str(authority),
        "AWS_CA_BUNDLE": str(authority),
        "SSL_CERT_FILE": str(authority),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    sys.stdout.write(json.dumps({"address": address, "environment": environment}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    front.shutdown()
    moto.stop()


if __name__ == "__main__":
    given = sys.argv[3:6]
    shape = (int(given[0]), int(given[1]), int(given[2])) if given else SHAPE_ZYX
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3, shape)
