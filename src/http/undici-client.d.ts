/** undici's index replaces the process's global dispatcher when it is loaded; its client alone does not. The types are the index's. */
declare module 'undici/lib/dispatcher/client.js' {
  // biome-ignore lint/style/noDefaultExport: it is what the module has
  export { Client as default } from 'undici';
}
