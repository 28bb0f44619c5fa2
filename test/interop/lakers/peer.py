"""lakers as the peer of the cases in expect.json.

It says "ready". Each line of its standard input is then a request for a step of
EDHOC, an object in JSON, which it answers with one; byte strings are hexadecimal.
compose_1 and process_1 begin a handshake, of which there is one at a time.

lakers leaves it to the application to refuse critical EAD items, of which this one
knows none, and to say what is trusted: "trusted", or else the credential that
credentials.json has for the other side. Where lakers panics it has refused, too.
"""

import json
import os
import pathlib
import signal
import sys

import lakers

PARTIES = json.loads((pathlib.Path(__file__).parents[1] / "credentials.json").read_text())


class Refused(Exception):
    pass


def credential(role):
    return bytes.fromhex(PARTIES[role]["credential"])


def key(role):
    return bytes.fromhex(PARTIES[role]["key"])


def octets(request, name):
    return bytes.fromhex(request.get(name, ""))


def transfer(request):
    by = lakers.CredentialTransfer
    return by.ByValue if request.get("by_value") else by.ByReference


def items(request):
    return [
        lakers.EADItem(item["label"], item["critical"], None if item["value"] is None else bytes.fromhex(item["value"]))
        for item in request.get("ead") or []
    ]


def received(ead, **answer):
    if any(item.is_critical() for item in ead):
        raise Refused("critical EAD item")
    told = [
        {"label": item.label(), "critical": False, "value": None if item.value() is None else bytes(item.value()).hex()}
        for item in ead
    ]
    return {**answer, "ead": told} if told else answer


def trusted(request, id_cred, role):
    """What is trusted for ID_CRED, which names or is it."""
    want = octets(request, "trusted") or credential(role)
    return lakers.credential_check_or_fetch(id_cred, want)


class Peer:
    side = None  # of the handshake

    def compose_1(self, request):
        self.side = lakers.EdhocInitiator()
        return {"message": self.side.prepare_message_1(octets(request, "c"), items(request)).hex()}

    def process_1(self, request):
        self.side = lakers.EdhocResponder(key("responder"), lakers.Credential(credential("responder")))
        c, ead = self.side.process_message_1(octets(request, "message"))
        return received(ead, c=bytes(c).hex())

    def compose_2(self, request):
        message = self.side.prepare_message_2(transfer(request), octets(request, "c"), items(request))
        return {"message": message.hex()}

    def process_2(self, request):
        c, id_cred, ead = self.side.parse_message_2(octets(request, "message"))
        other = trusted(request, id_cred, "responder")
        self.side.verify_message_2(key("initiator"), lakers.Credential(credential("initiator")), other)
        return received(ead, c=bytes(c).hex(), id_cred=id_cred.hex())

    def compose_3(self, request):
        message, _ = self.side.prepare_message_3(transfer(request), items(request))
        return {"message": message.hex()}

    def process_3(self, request):
        id_cred, ead = self.side.parse_message_3(octets(request, "message"))
        self.side.verify_message_3(trusted(request, id_cred, "initiator"))
        return received(ead, id_cred=id_cred.hex())

    def compose_4(self, request):
        return {"message": self.side.prepare_message_4(items(request)).hex()}

    def process_4(self, request):
        return received(self.side.process_message_4(octets(request, "message")))

    def complete(self, request):
        self.side.completed_without_message_4()
        return {}

    def export(self, request):
        exported = self.side.edhoc_exporter(request.get("label", 0), octets(request, "context"), request["length"])
        return {"exported": bytes(exported).hex()}

    def update(self, request):
        self.side.edhoc_key_update(octets(request, "context"))
        return {}


signal.signal(signal.SIGINT, signal.SIG_IGN)
# Panics of Rust write to the standard error.
sys.stderr = os.fdopen(os.dup(2), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
print("ready", flush=True)
peer = Peer()
for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = getattr(peer, request["do"])(request)
    except (Refused, ValueError) as e:  # lakers raises the latter for its errors
        answer = {"refused": str(e)[:200]}
    except Exception as e:
        answer = {"failed": repr(e)[:500]}
    except BaseException:  # pyo3_runtime.PanicException
        answer = {"refused": "panic"}
    print(json.dumps(answer), flush=True)
