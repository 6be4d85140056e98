/** Plain requests to the service this page came from. */

import { type Language, type Problem, readProblem } from "./protocol";
import { storage } from "./storage";

/** A refusal by the server, or no server at all (`status` null). */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title);
  }
}

/** The order in which people look for them; any others follow. */
const FIRST = ["python", "javascript", "html", "bash"];

/** Everything is relative to the page, so a path prefix in front of it is fine. */
export const address = (path: string): URL => new URL(path, document.baseURI);

export const executionPath = (id: string): string => `v1/executions/${encodeURIComponent(id)}`;

async function get(path: string, key: string | null): Promise<unknown> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (key !== null) headers.Authorization = `Bearer ${key}`;
  let response: Response;
  try {
    response = await fetch(address(path), { headers, cache: "no-store" });
  } catch {
    throw new ApiError({ title: "The server cannot be reached", detail: "", status: null });
  }
  const body: unknown = await response.json().catch(() => null);
  if (response.ok) return body;
  const wait = Number(response.headers.get("Retry-After"));
  throw new ApiError({ ...readProblem(body), status: response.status, ...(wait > 0 && { retryAfterS: wait }) });
}

/** What the server can run; `key` is one to try, where it is not the tab's. */
export async function fetchLanguages(key = storage.key()): Promise<Language[]> {
  const body = (await get("v1/languages", key)) as { languages?: Language[] } | null;
  const place = ({ name }: Language): number => (FIRST.indexOf(name) + 1 || FIRST.length + 1);
  return (body?.languages ?? []).sort((a, b) => place(a) - place(b));
}

/**
 * Why a WebSocket to this path was refused, which a browser tells nobody: the same is asked by
 * plain HTTP, where whatever stands before the handshake answers alike. Null if nothing does.
 */
export async function whyRefused(path: string): Promise<Problem | null> {
  try {
    await get(path, storage.key());
    return null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { status } = error.problem;
    return status === 400 || status === 426 ? null : error.problem; // it was no handshake: all else is well
  }
}
