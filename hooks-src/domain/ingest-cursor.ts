/** Gap detection: which requests of a source have arrived. Sequence numbers count requests and begin with 1 in an epoch. */

export interface IngestCursor {
  epoch: string
  nextSeq: number
  /** Inclusive ranges that are still missing, ascending. */
  gaps: [number, number][]
}

/** A sender that skips wildly must not make the cursor grow without bound; the oldest gaps are kept, they are the urgent ones. */
const MAX_GAPS = 1_000

/** The cursor after request `seq`. Another epoch (a new spool, a restored backup) starts afresh. */
export function advanceCursor(cursor: IngestCursor | null, epoch: string, seq: number): IngestCursor {
  const current = cursor && cursor.epoch === epoch ? cursor : { epoch, nextSeq: Math.min(1, seq), gaps: [] }
  if (seq >= current.nextSeq) {
    const gaps: [number, number][] = seq > current.nextSeq ? [...current.gaps, [current.nextSeq, seq - 1]] : current.gaps
    return { epoch, nextSeq: seq + 1, gaps: gaps.slice(0, MAX_GAPS) }
  }
  return { epoch, nextSeq: current.nextSeq, gaps: current.gaps.flatMap((gap) => without(gap, seq)) }
}

function without([from, to]: [number, number], seq: number): [number, number][] {
  if (seq < from || seq > to) return [[from, to]]
  const rest: [number, number][] = []
  if (from < seq) rest.push([from, seq - 1])
  if (seq < to) rest.push([seq + 1, to])
  return rest
}
