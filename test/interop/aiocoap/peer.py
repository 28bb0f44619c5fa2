"""aiocoap as the peer of the cases in expect.json.

    peer.py client PORT [--context DIR]    for the server at that port
    peer.py server PORT [--context DIR]    at that port, or at any if it is 0;
                                           says "ready PORT"

It does what the lines of its standard input say, answers each with a line, and
ends when there are no more. DIR has an OSCORE context in aiocoap's format.
"""

import argparse
import asyncio
import json
import os
import pathlib
import signal
import sys

import aiocoap
import cbor2
from aiocoap import CHANGED, CONTENT, GET, PUT, Message, resource
from aiocoap.credentials import CredentialsMap
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper

PATIENCE = 30  # seconds for one request
BODY = bytes((i * 7 + i // 256) % 256 for i in range(4096))
CREDENTIALS = json.loads((pathlib.Path(__file__).parents[1] / "credentials.json").read_text())


def ccs(role):
    return {14: cbor2.loads(bytes.fromhex(CREDENTIALS[role]["credential"]))}


def key(role):
    return {1: 2, -1: 1, -4: bytes.fromhex(CREDENTIALS[role]["key"])}


def edhoc(**fields):
    fields = {name.replace("_", "-"): value for name, value in fields.items()}
    return {"edhoc-oscore": {"suite": 2, "method": 3, **fields}}


class Value(resource.ObservableResource):
    content = b"initial"

    async def render_get(self, request):
        return Message(code=CONTENT, payload=self.content)

    async def render_put(self, request):
        self.content = request.payload
        self.updated_state()
        return Message(code=CHANGED)


class Protected(OscoreSiteWrapper):
    """The resources, which refuse whatever comes in clear."""

    async def render_to_pipe(self, pipe):
        request = pipe.request
        if request.opt.oscore is None and request.opt.uri_path != (".well-known", "edhoc"):
            raise aiocoap.error.Unauthorized
        await super().render_to_pipe(pipe)


class Server:
    async def start(self, args):
        site = resource.Site()
        site.add_resource(["value"], Value())
        site.add_resource(["large"], Value())
        self.credentials = CredentialsMap()
        if args.context:
            self.credentials.load_from_dict({":client": {"oscore": {"basedir": args.context}}})
        context = await aiocoap.Context.create_server_context(
            Protected(site, self.credentials), bind=("127.0.0.1", args.port),
            server_credentials=self.credentials, transports=["udp6"],
        )
        (requests,) = context.request_interfaces
        self.port = requests.token_interface.message_interface.transport.get_extra_info("socket").getsockname()[1]
        return f"ready {self.port}"

    async def edhoc(self, style):
        """Take part in EDHOC, with our credential in that style."""
        self.credentials.load_from_dict({
            f"coap://127.0.0.1:{self.port}/*": edhoc(
                own_cred_style=style, own_cred=ccs("responder"), private_key=key("responder")),
            ":initiator": edhoc(peer_cred=ccs("initiator")),
        })


class Client:
    async def start(self, args):
        self.base = f"coap://127.0.0.1:{args.port}"
        self.value = b"initial"
        self.context = await aiocoap.Context.create_client_context(transports=["oscore", "udp6"])
        if args.context:
            self.context.client_credentials.load_from_dict(
                {f"{self.base}/*": {"oscore": {"basedir": args.context}}})
        return "ready"

    def message(self, code, path, payload=b"", **options):
        return Message(code=code, uri=self.base + path, payload=payload, **options)

    async def response(self, code, path, payload=b""):
        request = self.context.request(self.message(code, path, payload))
        return await asyncio.wait_for(request.response, PATIENCE)

    async def get(self, path="/value", want=None):
        check(await self.response(GET, path), CONTENT, self.value if want is None else want)

    async def put(self, value="put by aiocoap"):
        self.value = value.encode()
        check(await self.response(PUT, "/value", self.value), CHANGED)
        await self.get()

    async def block_wise_put(self):
        check(await self.response(PUT, "/large", BODY), CHANGED)

    async def block_wise_get(self):
        await self.get("/large", BODY)

    async def observe(self):
        request = self.context.request(self.message(GET, "/value", observe=0))
        check(await asyncio.wait_for(request.response, PATIENCE), CONTENT, self.value)
        notifications = aiter(request.observation)
        for value in ("one", "two"):
            await self.put(value)
            check(await asyncio.wait_for(anext(notifications), PATIENCE), CONTENT, self.value)
        request.observation.cancel()

    async def edhoc(self, port, style, combined):
        """Run EDHOC, with our credential in that style, and two GETs."""
        self.base = f"coap://127.0.0.1:{port}"
        self.context.client_credentials.load_from_dict({
            f"{self.base}/*": edhoc(
                own_cred_style=style, own_cred=ccs("initiator"), private_key=key("initiator"),
                peer_cred=ccs("responder"), use_combined_edhoc=combined == "combined"),
        })
        await self.get()
        await self.get()


def check(response, code, payload=None):
    if response.code != code or payload not in (None, response.payload):
        raise AssertionError(f"got {response.code} {response.payload[:100]}, want {code} {payload and payload[:100]}")


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("client", "server"))
    parser.add_argument("port", type=int)
    parser.add_argument("--context")
    args = parser.parse_args()
    peer = Client() if args.role == "client" else Server()
    print(await peer.start(args), flush=True)

    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async for line in lines:
        name, *arguments = line.decode().split()
        try:
            await getattr(peer, name.replace("-", "_"))(*arguments)
            answer = "passed"
        except Exception as e:
            answer = repr(e)
        print(answer.replace("\n", " "), flush=True)
    # In an orderly end, aiocoap reports the task of an observation as an error.
    os._exit(0)


signal.signal(signal.SIGINT, signal.SIG_IGN)
asyncio.run(main())
