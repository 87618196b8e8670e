// Builds what pages load: node build.mjs <folder> [--styles=<entry>] [--quiet]
//
// The folder gets every file under a name that holds a hash of its content, a .gz beside
// what gets smaller by it, and manifest.json: {plain name: hashed name}. The same sources
// make the same bytes on every machine, so that what is committed can be compared.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import * as esbuild from 'esbuild';
import { transform } from 'lightningcss';
import { gzip } from 'pako';
import { PurgeCSS } from 'purgecss';
import rtlcss from 'rtlcss';
import * as sass from 'sass';

const HERE = import.meta.dirname;
const PACKAGES = join(HERE, 'node_modules');
const BUILT = /\.[0-9a-f]{8}\.\w+(\.gz)?$|^manifest\.json$/;
const WORTH_COMPRESSING = 0.9;
const FONTS = { 'inter.woff2': 'latin', 'inter.cyrillic.woff2': 'cyrillic' };

// The browsers that have <dialog>, popover and light-dark(); major and minor version
// stand in the higher bytes.
const BROWSERS = { chrome: 123 << 16, firefox: 125 << 16, safari: (17 << 16) | (5 << 8) };

// Where the names of classes are written; a style that none of these names is left out.
const READERS = [
  '../vmsapp/templates/**/*.html',
  '../vmsapp/**/*.py',
  'scripts/**/*.js',
  'node_modules/tom-select/dist/esm/tom-select.js',
];
// Names put together at run time, which no search for words can find.
const PUT_TOGETHER = {
  standard: [/^(curve|is|legend|mark|note|slip|state|toast|tone|verdict)(-|$)/],
  deep: [/^ts-/],
  greedy: [/^dir$/, /^data-(bs-)?theme$/],
};

function makeStyles(entry) {
  const { css } = sass.compile(entry, {
    loadPaths: [join(HERE, 'styles'), PACKAGES],
    quietDeps: true,
    silenceDeprecations: ['import'], // Bootstrap 5 has no other way in
  });
  return css;
}

async function dropUnused(css) {
  const [kept] = await new PurgeCSS().purge({
    css: [{ raw: css }],
    content: READERS.map((pattern) => join(HERE, pattern)),
    safelist: PUT_TOGETHER,
  });
  return kept.css;
}

function minify(css) {
  return transform({
    filename: 'ui.css',
    code: Buffer.from(css),
    minify: true,
    targets: BROWSERS,
  }).code;
}

function pointToHashed(css, manifest) {
  return css.toString().replace(/url\(["']?([\w.-]+)["']?\)/g, (_, name) => {
    if (!manifest[name]) throw new Error(`The styles ask for ${name}, which is not built.`);
    return `url(${manifest[name]})`;
  });
}

async function bundle(name, format, shipped) {
  const { outputFiles, metafile } = await esbuild.build({
    absWorkingDir: HERE,
    entryPoints: [`scripts/${name}.js`],
    bundle: true,
    format,
    minify: true,
    target: 'es2022',
    legalComments: 'none', // the licences are in licences.txt, once
    metafile: true,
    write: false,
  });
  Object.keys(metafile.inputs).forEach((path) => {
    const [, owner] = path.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)/) ?? [];
    if (owner) shipped.add(owner);
  });
  return outputFiles[0].contents;
}

function makeIcons() {
  const chosen = JSON.parse(readFileSync(join(HERE, 'icons.json'), 'utf8'));
  const symbols = Object.entries(chosen).map(([name, drawing]) => {
    const file = join(PACKAGES, '@tabler/icons/icons/outline', `${drawing}.svg`);
    return `<symbol id="i-${name}" viewBox="0 0 24 24">${strokesOf(readFileSync(file, 'utf8'))}</symbol>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join('')}</svg>\n`;
}

function strokesOf(svg) {
  return svg
    .replace(/<!--[\s\S]*?-->/g, '')
    .replace(/^[\s\S]*?<svg[^>]*>|<\/svg>\s*$/g, '')
    .replace(/<path stroke="none" d="M0 0h24v24H0z" fill="none" ?\/>/, '')
    .replace(/ \/>/g, '/>')
    .replace(/\s*\n\s*/g, '');
}

function licencesOf(shipped) {
  return [...shipped]
    .sort()
    .map((owner) => {
      const { version, license } = JSON.parse(readFileSync(join(PACKAGES, owner, 'package.json')));
      return `${owner} ${version} (${license})\n\n${licenceTexts(owner)}`;
    })
    .join(`\n${'-'.repeat(72)}\n\n`);
}

function licenceTexts(owner) {
  return readdirSync(join(PACKAGES, owner))
    .filter((name) => /^(licen[cs]es?|notice|copyright)/i.test(name) && !name.endsWith('.html'))
    .sort()
    .flatMap((name) => filesAt(join(PACKAGES, owner, name)))
    .map((file) => `${readFileSync(file, 'utf8').trim()}\n`)
    .join('\n');
}

function filesAt(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).sort().map((name) => join(path, name));
}

/** What was built: under its plain names, and as the files to write. */
class Output {
  manifest = {};
  files = {};
  sizes = [];

  add(name, content) {
    const bytes = Buffer.from(content);
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 8);
    const hashed = name.replace(/(\.\w+)$/, `.${hash}$1`);
    const packed = gzip(bytes, { level: 9 }); // not Node's own: its bytes differ by processor
    this.manifest[name] = hashed;
    this.files[hashed] = bytes;
    if (packed.length < bytes.length * WORTH_COMPRESSING) this.files[`${hashed}.gz`] = packed;
    this.sizes.push({ name, raw: bytes.length, gz: packed.length });
  }

  write(folder) {
    mkdirSync(folder, { recursive: true });
    const former = readdirSync(folder).filter((name) => BUILT.test(name));
    former.forEach((name) => rmSync(join(folder, name)));
    const sorted = Object.fromEntries(Object.entries(this.manifest).sort());
    writeFileSync(join(folder, 'manifest.json'), `${JSON.stringify(sorted, null, 2)}\n`);
    Object.entries(this.files).forEach(([name, bytes]) => writeFileSync(join(folder, name), bytes));
  }

  print() {
    this.sizes.forEach(({ name, raw, gz }) => {
      console.log(`${name.padEnd(14)} ${String(raw).padStart(8)} ${String(gz).padStart(8)} gz`);
    });
  }
}

async function build(entry) {
  const shipped = new Set(['@fontsource-variable/inter', '@tabler/icons', 'bootstrap']);
  const output = new Output();
  for (const [name, script] of Object.entries(FONTS)) {
    const file = `@fontsource-variable/inter/files/inter-${script}-wght-normal.woff2`;
    output.add(name, readFileSync(join(PACKAGES, file)));
  }
  output.add('mark.svg', readFileSync(join(HERE, 'mark.svg')));
  output.add('icons.svg', makeIcons());
  output.add('ui.js', await bundle('ui', 'iife', shipped));
  output.add('lookup.js', await bundle('lookup', 'esm', shipped));
  output.add('charts.js', await bundle('charts', 'esm', shipped));
  const styles = await dropUnused(makeStyles(entry));
  output.add('ui.css', pointToHashed(minify(styles), output.manifest));
  output.add('ui.rtl.css', pointToHashed(minify(rtlcss.process(styles)), output.manifest));
  output.add('licences.txt', licencesOf(shipped));
  return output;
}

const { values, positionals } = parseArgs({
  options: { styles: { type: 'string' }, quiet: { type: 'boolean' } },
  allowPositionals: true,
});
const output = await build(values.styles ? resolve(values.styles) : join(HERE, 'styles/ui.scss'));
output.write(positionals[0]);
if (!values.quiet) output.print();
