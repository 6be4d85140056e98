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

async function get(path: string): Promise<unknown> {
  const key = storage.key();
  const headers: Record<string, string> = { Accept: "application/json" };
  if (key !== null) headers.Authorization = `Bearer ${key}`;
  let response: Response;
  try {
    response = await fetch(address(path), { headers });
  } catch {
    throw new ApiError({ title: "The server cannot be reached", detail: "", status: null });
  }
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) throw new ApiError({ ...readProblem(body), status: response.status });
  return body;
}

export async function fetchLanguages(): Promise<Language[]> {
  const body = (await get("v1/languages")) as { languages?: Language[] } | null;
  const place = ({ name }: Language): number => (FIRST.indexOf(name) + 1 || FIRST.length + 1);
  return (body?.languages ?? []).sort((a, b) => place(a) - place(b));
}

/** Whether the server still knows this run. */
export async function executionIsKept(id: string): Promise<boolean> {
  try {
    await get(executionPath(id));
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.problem.status === 404) return false;
    throw error;
  }
}
