import type { Routes } from "./routes.ts";

/** The page at `/`: every method, with its arguments. */
export function listMethods(routes: Routes, host: string): string {
  const names = [...routes.keys()].sort();
  const link = (name: string): string => {
    const params = Object.keys(routes.get(name)?.params ?? {});
    const query = params.length === 0 ? "" : `?${params.map((one) => `${one}=_`).join("&")}`;
    const url = escapeHtml(`//${host}/${name}${query}`);
    return `<a href="${url}">${url}</a></br>`;
  };
  const takesArguments = (name: string) => Object.keys(routes.get(name)?.params ?? {}).length > 0;
  return [
    "<html><body><br>Available endpoints:<br>",
    ...names.filter((name) => !takesArguments(name)).map(link),
    "<br>Endpoints that require arguments:<br>",
    ...names.filter(takesArguments).map(link),
    "</body></html>",
  ].join("");
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
