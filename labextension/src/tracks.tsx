/**
 * Draws how an entry hangs together with others: a dot in its lane, and lines to its futures and its past.
 */

import * as React from 'react';

import { ITrack } from './branches';

const LANE_PX = 10;
const DOT_Y = 16;
const MOST_LANES = 6;

export function TrackView(props: {
  track: ITrack | undefined;
  /** How many lanes the whole list needs. */
  lanes: number;
}): JSX.Element | null {
  const { track } = props;
  const lanes = Math.min(props.lanes, MOST_LANES);
  if (lanes === 0) {
    return null;
  }
  const x = (lane: number) => lane * LANE_PX + LANE_PX / 2;
  const width = lanes * LANE_PX;
  return (
    <span className="vml-Track" style={{ width }} aria-hidden="true">
      {track?.past
        .filter(lane => lane < MOST_LANES)
        .map(lane => (
          <i key={lane} style={{ left: x(lane) - 1, top: 0, bottom: 0 }} />
        ))}
      {track?.on && (
        <i style={{ left: x(track.lane) - 1, top: DOT_Y, bottom: 0 }} />
      )}
      {track && track.lane >= 0 && (
        <svg width={width} height={DOT_Y + 6}>
          {track.from.map(lane => (
            <path
              key={lane}
              d={`M${x(lane)} 0 C${x(lane)} ${DOT_Y} ${x(track.lane)} 0 ${x(track.lane)} ${DOT_Y}`}
            />
          ))}
          <circle cx={x(track.lane)} cy={DOT_Y} r={track.futures > 1 ? 4 : 3} />
        </svg>
      )}
    </span>
  );
}
