// Topics of the live bus and what travels on them. Payloads are JSON; a person can watch a
// run with `mosquitto_sub -t 'wsar/#' -v`.
//
//   wsar/<lab>/<host>/<source>/schema          retained  SourceSchema
//   wsar/<lab>/<host>/<source>/row             Row, one a second
//   wsar/<lab>/<host>/<source>/event           LabEvent
//   wsar/<lab>/knob/<owner>/<name>/set         KnobSet
//   wsar/<lab>/knob/<owner>/<name>/state       retained  KnobState
//   wsar/<lab>/agent/<id>/hello                retained
//   wsar/<lab>/agent/<id>/command, ack, gone   (gone is the last will)

export const topic = {
  schema: (lab: string, host: string, source: string) => `wsar/${lab}/${host}/${source}/schema`,
  row: (lab: string, host: string, source: string) => `wsar/${lab}/${host}/${source}/row`,
  event: (lab: string, host: string, source: string) => `wsar/${lab}/${host}/${source}/event`,
  knobSet: (lab: string, owner: string, name: string) => `wsar/${lab}/knob/${owner}/${name}/set`,
  knobState: (lab: string, owner: string, name: string) =>
    `wsar/${lab}/knob/${owner}/${name}/state`,
  agent: (lab: string, id: string, kind: 'hello' | 'command' | 'ack' | 'gone') =>
    `wsar/${lab}/agent/${id}/${kind}`,
};

/** Something that happened, on the same time line as the rows. */
export interface LabEvent {
  wallMs: number;
  kind: 'knob' | 'phase' | 'block' | 'alert' | 'gap' | 'lost' | 'note';
  /** One line for a person. */
  text: string;
  /** Figures for programs. */
  data?: Record<string, string | number | boolean | null>;
}
