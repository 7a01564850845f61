export async function runMicro(isJson: boolean): Promise<void> {
  await Promise.resolve(isJson);
}
