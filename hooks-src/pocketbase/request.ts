/** Reads of the request. The host's types call it optional; inside a route it is always there. */

function request(e: core.RequestEvent) {
  if (!e.request?.url) throw new Error("the event has no request")
  return { request: e.request, url: e.request.url }
}

export function header(e: core.RequestEvent, name: string): string {
  return request(e).request.header.get(name)
}

/** As the client named it: not to be believed for more than an answer to that client. */
export function host(e: core.RequestEvent): string {
  return request(e).request.host
}

export function pathOf(e: core.RequestEvent): string {
  return request(e).url.path
}

export function queryParam(e: core.RequestEvent, name: string): string {
  return request(e).url.query().get(name)
}

export function pathParam(e: core.RequestEvent, name: string): string {
  return request(e).request.pathValue(name)
}

export function bodyText(e: core.RequestEvent): string {
  return toString(request(e).request.body as unknown as string)
}
