/** Half of a document embedded by one model and half by another could not be searched, so the file fails instead. */
export class EmbedderChanged extends Error {
  readonly code = "EMBEDDER_CHANGED";
  constructor(planned: string, present: string) {
    super(`The run was planned with the embedder "${planned}", and this worker has "${present}". Run the ingestion again with the settings you want.`);
    this.name = "EmbedderChanged";
  }
}
