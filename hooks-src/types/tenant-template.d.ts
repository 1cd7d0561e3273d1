/** What build.ts embeds of tenant-template/: the text of each file that a bundle needs, by its path in there. */
declare module "virtual:tenant-template" {
  const files: Readonly<Record<string, string>>
  export default files
}
