/** Colours, faces and line breaks of the diagrams: for light and dark, by the reader's own setting. */

/** From old to new; text on it. */
const lightShades = ['#b9cfee', '#a3c0ea', '#8cb0e5', '#739edf', '#5a8bd8', '#4278ce', '#2c65c1', '#1d51ac']
const darkShades = ['#2a3f5f', '#314c74', '#3a5b8b', '#446ba3', '#527dbc', '#6691d3', '#80a8e6', '#9dbff5']

export function style(shades: number): string {
  const variables = (colours: readonly string[]) =>
    colours
      .slice(0, shades)
      .map((colour, index) => `--p${index}: ${colour};`)
      .join(' ')
  const classes = Array.from(
    { length: shades },
    (_, i) =>
      `.p${i} { fill: var(--p${i}) } .to-p${i} { stroke: var(--p${i}) } .tip.to-p${i} { fill: var(--p${i}) } .on-p${i} { fill: ${i < shades / 2 ? 'var(--onOld)' : 'var(--onNew)'} }`,
  )
  return `<style>
svg { --paper: #ffffff; --ink: #1f2933; --soft: #5b6875; --line: #d5dce3; --grid: #edf0f3; --hero: #d9730d; --onHero: #ffffff; --bad: #b3261e; --badSoft: #fbe9e7; --good: #16794c; --onOld: #15283f; --onNew: #ffffff; ${variables(lightShades)} }
@media (prefers-color-scheme: dark) {
svg { --paper: #0f151c; --ink: #e6edf3; --soft: #9aa7b4; --line: #2c3641; --grid: #1a222b; --hero: #f2a33c; --onHero: #1d1304; --bad: #ff7b72; --badSoft: #3a1b1b; --good: #4cc38a; --onOld: #e6edf3; --onNew: #0b1626; ${variables(darkShades)} }
}
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; font-size: 14px; fill: var(--ink); }
.paper { fill: var(--paper); } .title { font-size: 18px; font-weight: 650; } .lane { font-weight: 600; }
.soft, .tick { fill: var(--soft); font-size: 12px; } .tick, .in { text-anchor: middle; font-variant-numeric: tabular-nums; }
.in { font-size: 12px; font-weight: 600; } .told { font-size: 13.5px; }
.grid { stroke: var(--grid); } .line { stroke: var(--line); } .stem { stroke: var(--soft); }
.gap { stroke: var(--soft); stroke-width: 1.2; fill: none; }
.way { fill: none; stroke-width: 1.6; } .tip { stroke: none; }
.cross { fill: none; stroke: var(--bad); stroke-width: 2; stroke-linecap: round; }
.hero { fill: var(--hero); } .to-hero { stroke: var(--hero); stroke-width: 2.6; } .tip.to-hero { fill: var(--hero); } .on-hero { fill: var(--onHero); }
.to-refused { stroke: var(--bad); stroke-width: 1.2; stroke-dasharray: 2 3; }
.to-delete { stroke: var(--bad); stroke-width: 2.2; stroke-dasharray: 6 4; } .tip.to-delete { fill: var(--bad); }
.empty { fill: var(--badSoft); stroke: var(--bad); stroke-width: 1.5; } .on-empty { fill: var(--bad); font-weight: 700; }
.held { fill: url(#stripes); }
.stripe { fill: var(--paper); fill-opacity: 0.5; } .tear { fill: var(--paper); }
.down { fill: none; stroke: var(--bad); stroke-dasharray: 2 3; } .on-down { fill: var(--bad); }
.dot { stroke: var(--paper); stroke-width: 1; } .dot.good, .number.good circle { fill: var(--good); } .dot.bad, .number.bad circle { fill: var(--bad); } .dot.note, .number.note circle { fill: var(--ink); } .number.plan circle { fill: var(--hero); }
.number circle { stroke: var(--paper); stroke-width: 1.5; } .number text { text-anchor: middle; font-size: 11.5px; font-weight: 700; fill: var(--paper); }
${classes.join('\n')}
</style>
<defs><pattern id="stripes" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="3.5" height="8" class="stripe"/></pattern></defs>`
}

export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** Lines of at most about so many characters, broken at spaces. */
export function wrap(text: string, most: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > most) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return line === '' ? lines : [...lines, line]
}
