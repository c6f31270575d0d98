// A chart of the last minutes: uPlot, in the page's colours, with a line that tells its values.
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

const HEIGHT = 150;
const SPAN_MIN = 10; // seconds that are shown at least
// Told apart by their dashes as well as by their colours.
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Steps of an axis of things that are counted.
export const WHOLE = [...Array(13).keys()].flatMap((power) => [1, 2, 5].map((n) => n * 10 ** power));

// Of an axis of bytes.
export const BINARY = [...Array(41).keys()].map((power) => 2 ** power);

function options(lines, format, steps, width) {
    const axis = { stroke: colour('--dim'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
    const clock = (u, seconds) => seconds.map((s) => (s === 0 ? 'now' : `${Math.round(s)} s`));
    return {
        width,
        height: HEIGHT,
        cursor: { y: false, points: { size: 6 } },
        padding: [8, 12, 0, 0],
        scales: {
            x: { time: false, range: (u, min) => [Math.min(min, -SPAN_MIN), 0] },
            y: { range: (u, min, max) => [0, max > 0 ? max * 1.1 : 1] } },
        axes: [
            { ...axis, values: clock, size: 26 },
            { ...axis, values: (u, values) => values.map(format), size: 58, ...(steps ? { incrs: steps } : {}) },
        ],
        series: [
            { label: 'at', value: (u, s) => (s === null || s === undefined ? '–' : `${Math.round(s)} s`) },
            ...lines.map((line, index) => ({
                label: line.label,
                stroke: colour(`--chart-${index + 1}`),
                dash: DASHES[index],
                width: 2,
                spanGaps: false,
                points: { show: (u) => u.data[0].length < 2, size: 5 },
                value: (u, value) => format(value),
            })),
        ],
    };
}

export function Chart({ title, times, lines, format, steps, theme }) {
    const host = useRef(null);
    const plot = useRef(null);
    const last = times.length ? times[times.length - 1] : 0;
    const data = [times.map((t) => (t - last) / 1000), ...lines.map((line) => line.values)];
    const measured = lines.some((line) => line.values.some((value) => value !== null));

    useEffect(() => {
        if (!measured) return undefined;
        const element = host.current;
        plot.current = new uPlot(options(lines, format, steps, element.clientWidth), data, element);
        const observer = new ResizeObserver(() =>
            plot.current.setSize({ width: element.clientWidth, height: HEIGHT }),
        );
        observer.observe(element);
        return () => {
            observer.disconnect();
            plot.current.destroy();
            plot.current = null;
        };
    }, [measured, theme]);
    useEffect(() => {
        if (plot.current) plot.current.setData(data);
    }, [last, times.length]);

    const latest = lines.map((line) => `${line.label} ${format(line.values[line.values.length - 1])}`);
    return (
        <section class="chart" aria-label={title}>
            <h2>
                {title} <span class="dim">{measured ? latest.join(' · ') : ''}</span>
            </h2>
            {measured ? (
                <div ref={host} class="plot" role="img" aria-label={`${title}: ${latest.join(', ')}`} />
            ) : (
                <p class="empty">{times.length ? 'Not measured by this program.' : 'The first figures come in a second.'}</p>
            )}
        </section>
    );
}
