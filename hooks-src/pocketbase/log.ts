/** Structured log lines. Never pass secrets, prompts or whole bodies: ids and numbers only. */
type Fields = Record<string, string | number | boolean>

function flat(fields: Fields): (string | number | boolean)[] {
  return Object.entries(fields).flat()
}

export function info(message: string, fields: Fields = {}): void {
  $app.logger().info(message, ...flat(fields))
}

export function warn(message: string, fields: Fields = {}): void {
  $app.logger().warn(message, ...flat(fields))
}

export function error(message: string, fields: Fields = {}): void {
  $app.logger().error(message, ...flat(fields))
}
