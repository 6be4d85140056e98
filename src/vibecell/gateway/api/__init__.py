"""The endpoints.

execute.py             POST /execute
executions.py          /v1/executions: begin, look, control, cancel, follow
listing.py             GET /v1/executions: what one has
streams.py             the WebSockets
pages.py               the page that an HTML execution is
issuing.py             POST /v1/tokens, POST /v1/tickets
languages.py           GET /v1/languages
health.py              /healthz, /readyz, /metrics
documents.py           /, /docs, /openapi.json
openapi.py             the OpenAPI description: one document of its parts, and the shapes
openapi_operations.py  what each operation is for, and what it answers and refuses
openapi_answers.py     answers, their header fields, and refusals
openapi_examples.py    examples of what is sent and answered
openapi_parameters.py  what may be asked beside a body
openapi_security.py    which credentials are good for what
"""
