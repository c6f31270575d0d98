"""Tests of the arithmetic and the text of bench-peers: report.py, machine.py, run.py."""
import json
import math
import pathlib
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import machine  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
import run  # noqa: E402
from workloads import FLOOR, WORKLOADS, Figure, Workload  # noqa: E402

LESS = Figure("ns", None, "ns", True, 1)
MORE = Figure("per_s", "rate", "M/s", False, 1e-6)
TITLES = {"spawned": "Spawned", "a": "A <& B>", "b": "B"}


def one(peer, value, workload="w", workers=1, metric="ns", outcome="ok"):
    figures = {} if value is None else {metric: value}
    return {
        "peer": peer,
        "workload": workload,
        "workers": workers,
        "outcome": outcome,
        "figures": figures,
    }


def rows(runs, figure=LESS, names=("spawned", "a", "b")):
    return report.rows_of(runs, [Workload("w", (figure,), 0)], names)


class ArithmeticTest(unittest.TestCase):
    def test_median(self):
        self.assertEqual(report.median([3]), 3)
        self.assertEqual(report.median([9, 1, 5]), 5)
        self.assertEqual(report.median([4, 1, 2, 100]), 3)

    def test_cell_has_median_and_spread_in_the_unit(self):
        runs = [one("a", v, metric="per_s") for v in (3e6, 1e6, 2e6)]
        self.assertEqual(report.cell_of(runs, MORE), report.Cell(2, 1, 3, 3, None))

    def test_a_run_without_result_takes_the_number_away(self):
        runs = [one("a", 5), one("a", None, outcome="timeout")]
        cell = report.cell_of(runs, LESS)
        self.assertEqual((cell.median, cell.text), (None, "timeout"))

    def test_a_word_is_kept(self):
        self.assertEqual(report.cell_of([one("a", "starved")], LESS).text, "starved")

    def test_a_word_stands_for_all_figures_of_its_run(self):
        self.assertEqual(report.cell_of([one("a", "starved", metric="p50")], LESS).text, "starved")

    def test_without_runs_there_is_no_cell(self):
        self.assertIsNone(report.cell_of(None, LESS))
        self.assertIsNone(report.cell_of([one("a", 5, metric="other")], LESS))

    def test_ratio_says_how_many_times_better_ours_is(self):
        runs = [one("spawned", 10), one("a", 40), one("b", 25)]
        (row,) = rows(runs)
        self.assertEqual((row.best, row.ratio), ("b", 2.5))
        runs = [one(p, v, metric="per_s") for p, v in (("spawned", 5e6), ("a", 10e6), ("b", 1e6))]
        (row,) = rows(runs, MORE)
        self.assertEqual((row.best, row.ratio), ("a", 0.5))

    def test_no_ratio_without_two_numbers(self):
        (row,) = rows([one("spawned", "starved"), one("a", 4)])
        self.assertEqual((row.ratio, report.ratio_text(row)), (None, "lost"))
        (row,) = rows([one("spawned", 4), one("a", "starved")])
        self.assertEqual((row.ratio, report.ratio_text(row)), (None, "alone"))
        (row,) = rows([one("spawned", 4)])
        self.assertEqual(report.ratio_text(row), "-")
        (row,) = rows([one("spawned", 0), one("a", 4)])
        self.assertIsNone(row.ratio)

    def test_rows_go_by_workload_then_workers(self):
        runs = [one("spawned", 1, workers=2), one("spawned", 1, workers=1)]
        self.assertEqual([row.workers for row in rows(runs)], [1, 2])


class TextTest(unittest.TestCase):
    def test_numbers_have_three_digits(self):
        for value, text in ((0, "0"), (12.345, "12.3"), (1234.5, "1234"), (0.01234, "0.0123")):
            self.assertEqual(report.number(value), text)

    def test_table_columns_stand_under_each_other(self):
        lines = report.table_cells(rows([one("spawned", 10), one("a", 40)]), TITLES, TITLES)
        head, line = report.text_table(lines).splitlines()
        self.assertEqual(head.index("best peer"), line.rindex("A <& B>"))
        self.assertTrue(line.endswith("4.00"))
        self.assertNotIn("|", line)

    def test_spread_is_shown(self):
        runs = [one("spawned", v) for v in (10, 30, 20)]
        lines = report.table_cells(rows(runs), TITLES, TITLES)
        self.assertEqual(lines[1][3], "20.0 (10.0-30.0)")

    def test_page_table_has_a_rule_and_equal_columns(self):
        lines = report.page_table([["x", "y"], ["1", "2"]]).splitlines()
        self.assertEqual(lines, ["| x | y |", "| --- | --- |", "| 1 | 2 |"])

    def test_floor_is_shown_with_unit(self):
        runs = [one("spawned", 5.0, "floor_hop", metric="ns_per_hop")]
        ((what, figure),) = report.floor_lines(runs, FLOOR, 1)
        self.assertIn("floor_hop", what)
        self.assertEqual(figure, "5.00 ns")

    def test_distance_from_the_floor(self):
        runs = [one("spawned", 5.0, "floor_hop", metric="ns_per_hop")]
        runs.append(one("spawned", 20.0, "pingpong", metric="ns_per_message"))
        table = report.rows_of(runs, WORKLOADS, ["spawned"])
        lines = report.floor_times(table, runs, FLOOR)
        self.assertEqual(lines, [("pingpong, 1 workers", "4.0 times floor_hop")])

    def test_a_workload_may_have_a_floor_of_its_own(self):
        runs = [one("spawned", 20.0), one("spawned", 10.0, "w_floor")]
        ((what, text),) = report.floor_own(rows(runs), runs, {"w": "w_floor"})
        self.assertEqual((what, text), ("w, 1 workers (w_floor)", "10.0 ns; ours is 50% as fast"))
        self.assertEqual(report.floor_own(rows(runs), runs, {}), [])

    def test_splice_replaces_what_is_between_the_markers(self):
        self.assertEqual(report.splice("a <b> old <e> z", "<b>", "<e>", "new\n"), "a <b>\nnew\n<e> z")
        with self.assertRaises(ValueError):
            report.splice("a <b> old", "<b>", "<e>", "new")


class ChartTest(unittest.TestCase):
    def chart(self, runs):
        return ElementTree.fromstring(report.chart(rows(runs), TITLES, "a < b & c"))

    def test_is_well_formed_whatever_the_names_are(self):
        root = self.chart([one("spawned", 10), one("a", 40)])
        texts = [element.text for element in root.iter() if element.tag.endswith("text")]
        self.assertIn("a < b & c", texts)
        self.assertIn("4.00 x A <& B>", texts)

    def test_bar_goes_right_when_ahead_and_left_when_behind(self):
        self.assertGreater(report.chart_x(2), report.chart_x(1))
        self.assertLess(report.chart_x(0.5), report.chart_x(1))
        for ratio in (1e-9, 1e9):
            self.assertTrue(report.LEFT <= report.chart_x(ratio) <= report.WIDTH)

    def test_a_row_without_a_ratio_has_no_bar(self):
        root = self.chart([one("spawned", 10), one("a", "starved")])
        classes = [element.get("class") for element in root.iter()]
        self.assertFalse({"ahead", "behind"} & set(classes))


class MachineTest(unittest.TestCase):
    CPUINFO = "processor\t: 0\nmodel name\t: Test CPU\ncpu MHz\t\t: 2596.158\n"

    def test_processor_and_clock(self):
        self.assertEqual(machine.processor(self.CPUINFO), "Test CPU")
        self.assertEqual(machine.clock_mhz(self.CPUINFO), 2596.158)
        self.assertIsNone(machine.clock_mhz(""))
        self.assertEqual(machine.system('NAME=x\nPRETTY_NAME="Some 12"\n'), "Some 12")

    def test_describes_this_one(self):
        names = [name for name, _ in machine.describe()]
        self.assertIn("kernel", names)
        self.assertTrue(all(value for _, value in machine.describe()))


class RunTest(unittest.TestCase):
    def test_figures_of_a_peer_and_of_ours(self):
        self.assertEqual(run.figures_of("a 1.5\nb starved\nnoise\n"), {"a": 1.5, "b": "starved"})
        line = {"metric": "a", "value": 2.0, "workload": "w"}
        self.assertEqual(run.figures_of_json(json.dumps(line) + "\n"), {"a": 2.0})

    def test_outcomes(self):
        script = lambda text: ["sh", "-c", text]  # noqa: E731
        shell = run.Launcher([], 10)
        self.assertEqual(shell.launch(script("echo a 1")), ("ok", "a 1\n"))
        self.assertEqual(shell.launch(script("exit 3"))[0], "exit 3")
        self.assertEqual(shell.launch(["/does/not/exist"])[0], "exit 127")
        self.assertEqual(run.Launcher([], 0.05).launch(script("exec tail -f /dev/null"))[0], "timeout")

    def test_a_hanging_program_is_ended_with_its_children(self):
        outcome, _ = run.Launcher([], 0.05).launch(["sh", "-c", "tail -f /dev/null & wait"])
        self.assertEqual(outcome, "timeout")

    def test_results_are_json_lines_and_hold_what_the_table_holds(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            runs = [one("spawned", 20.0, "pingpong", metric="ns_per_message")]
            runs.append(one("go", 100.0, "pingpong", metric="ns_per_message"))
            text = run.write_results(path, runs, ["spawned", "go"], {"spawned": "1"}, [], [])
            lines = [json.loads(line) for line in (path / "results.jsonl").read_text().splitlines()]
            self.assertEqual([line["median"] for line in lines], [20.0, 100.0])
            self.assertEqual([line.get("ratio") for line in lines], [5.0, None])
            self.assertIn("5.00", text)
            ElementTree.parse(path / "chart.svg")

    def test_every_workload_has_a_peer(self):
        known = {name for peer in peers.PEERS.values() for name in peer.workloads}
        self.assertEqual({w.name for w in WORKLOADS} - known, set())
        self.assertTrue(all(math.isfinite(w.short) for w in WORKLOADS))


if __name__ == "__main__":
    unittest.main()
