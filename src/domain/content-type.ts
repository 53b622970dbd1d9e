const JSON_TYPES = /^(?:application\/json|text\/json|[^;\s]+\+json)\s*(?:;|$)/i;

/** Whether a body of this content type is JSON, whatever its parameters. */
export function isJson(contentType: string): boolean {
  return JSON_TYPES.test(contentType);
}
