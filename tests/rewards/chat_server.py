"""A real HTTP server that plays a chat model: it replies what it is told to, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, str | dict[str, Any], float]
"""HTTP status, what the model says (or a whole completion, or the body of an error), seconds before it does."""


def says(**verdict: Any) -> Reply:
    return 200, json.dumps(verdict), 0.0


class ChatServer:
    """Replies in the order given, the last one for ever; or what a function of the request's messages returns.

    `models` are the entries of its list of models; None: it keeps no list.
    """

    def __init__(
        self, *replies: Reply | Callable[[str], Reply], models: Sequence[dict[str, Any]] | None = None
    ) -> None:
        self.models = models
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.most_at_once = 0
        self._at_once = 0
        self._replies = replies
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def asked(self) -> str:
        """All that the model was told in the last request."""
        return "\n".join(message["content"] for message in self.requests[-1]["messages"])

    def __enter__(self) -> ChatServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _next(self, path: str, request: dict[str, Any], key: str | None) -> Reply:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self.requests.append(request)
            self.keys.append(key)
            count = len(self.requests)
        return self.reply_to(request, count) if path == "/v1/chat/completions" else (404, f"no {path}", 0.0)

    def reply_to(self, request: dict[str, Any], count: int) -> Reply:
        """The reply to a request, which is number `count` from 1."""
        reply = self._replies[min(count, len(self._replies)) - 1]
        return reply("\n".join(message["content"] for message in request["messages"])) if callable(reply) else reply

    def _done(self) -> None:
        with self._lock:
            self._at_once -= 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, said, seconds = chat._next(self.path, request, self.headers["Authorization"])
                time.sleep(seconds)
                chat._done()
                if status == 200 and isinstance(said, str):
                    said = {"choices": [{"message": {"content": said}}]}
                self._send(status, said if isinstance(said, str) else json.dumps(said))

            def do_GET(self) -> None:
                listed = self.path == "/v1/models" and chat.models is not None
                chat.keys.append(self.headers["Authorization"])
                self._send(200 if listed else 404, json.dumps({"data": chat.models}) if listed else f"no {self.path}")

            def _send(self, status: int, body: str) -> None:
                try:
                    self.send_response(status)
                    self.end_headers()
                    self.wfile.write(body.encode())
                except ConnectionError:
                    return  # the client did not wait

            def log_message(self, *_: object) -> None:
                return

        return Handler
