export function runDoctor(_args: string[]): number {
  return 0
}
