//! Letters as strokes of a pen, drawn for this crate: a bitmap has text without any font file.

/// A point of a stroke in ems; y grows upwards from the baseline.
pub(super) type Point = (f64, f64);

/// Pen width, in ems.
pub(super) const PEN: f64 = 0.085;
/// Height of the capitals, in ems.
pub(super) const CAPITALS: f64 = 0.7;

const UNIT: f64 = 0.1;
const BASELINE: f64 = 2.0;
const GAP: f64 = 1.7;
const SPACE: f64 = 2.2;

/// The strokes of each character. A point is two digits, x and y in tenths of an em; the baseline is y = 2, small
/// letters reach 7, capitals and digits 9. A stroke joins its points by lines or, behind `~`, is the quadratic
/// B-spline that they control, closed when it ends where it starts. One point twice is a dot.
fn strokes(character: char) -> &'static str {
    match character {
        '0' => "~0209494202",
        '1' => "182922",
        '2' => "~0709494602 0242",
        '3' => "~0819494626 ~2646420203",
        '4' => "32390444",
        '5' => "490906 ~061747420203",
        '6' => "~0206464202 ~390804",
        '7' => "094912",
        '8' => "~0609494606 ~0206464202",
        '9' => "~0509494505 ~474212",
        'a' => "~0207474202 4742",
        'b' => "0902 ~0207474202",
        'c' => "~464707024243",
        'd' => "4942 ~0207474202",
        'e' => "0545 ~454707024243",
        'f' => "~39191712 0727",
        'g' => "~0207474202 ~4743400001",
        'h' => "0902 ~0507474542",
        'i' => "0702 0909",
        'j' => "~17111000 1919",
        'k' => "0902 3704 1532",
        'l' => "0902",
        'm' => "0702 ~0507373532 ~3537676562",
        'n' => "0702 ~0507474542",
        'o' => "~0207474202",
        'p' => "0700 ~0207474202",
        'q' => "4740 ~0207474202",
        'r' => "0702 ~050737",
        's' => "~4637070544421203",
        't' => "~19141232 0737",
        'u' => "~0704024244 4742",
        'v' => "072247",
        'w' => "0722364267",
        'x' => "0742 4702",
        'y' => "0722 4710",
        'z' => "07470242",
        'A' => "022942 1535",
        'B' => "0902 ~091949461606 ~061646421202",
        'C' => "~484909024243",
        'D' => "0902 ~091949421202",
        'E' => "49090242 0636",
        'F' => "490902 0636",
        'G' => "~484909024245 4525",
        'H' => "0902 4942 0646",
        'I' => "0902",
        'J' => "~39320203",
        'K' => "0902 4905 1642",
        'L' => "090242",
        'M' => "0209346962",
        'N' => "02094249",
        'O' => "~0209595202",
        'P' => "0902 ~091949451505",
        'Q' => "~0209595202 3452",
        'R' => "0902 ~091949451505 2542",
        'S' => "~4839090645421203",
        'T' => "0949 2922",
        'U' => "~090402424449",
        'V' => "092249",
        'W' => "0922374269",
        'X' => "0942 4902",
        'Y' => "0925 4925 2522",
        'Z' => "09490242",
        '.' => "0202",
        ',' => "1201",
        ':' => "0606 0202",
        '·' => "0505",
        '!' => "0905 0202",
        '?' => "~080949462524 2222",
        '-' | '−' | '–' => "0535",
        '_' => "0141",
        '+' => "0545 2723",
        '=' => "0646 0444",
        '/' => "0139",
        '(' => "~29070321",
        ')' => "~09272301",
        '[' => "29090121",
        ']' => "09292101",
        '<' => "470543",
        '>' => "074503",
        '|' => "0900",
        '%' => "~0609292606 ~4245656242 0259",
        '\'' => "0907",
        '"' => "0907 2927",
        _ => "0208484202",
    }
}

/// Calls `draw` with each stroke of `text`, whose first letter stands at the origin.
pub(super) fn draw_strokes(text: &str, mut draw: impl FnMut(&[Point])) {
    let mut pen = 0.0;
    for character in text.chars().filter(|c| !c.is_control()) {
        if character != ' ' {
            for stroke in strokes(character).split(' ') {
                let (points, smooth) = parse(stroke);
                let points = if smooth { spline(&points) } else { points };
                let place = |&(x, y): &Point| ((pen + x) * UNIT, (y - BASELINE) * UNIT);
                draw(&points.iter().map(place).collect::<Vec<_>>());
            }
        }
        pen += advance(character);
    }
}

/// How far `text` reaches, in ems.
pub(super) fn width(text: &str) -> f64 {
    let sum: f64 = text.chars().filter(|c| !c.is_control()).map(advance).sum();
    (sum - GAP).max(0.0) * UNIT
}

/// From the left of this character to the left of the next; digits are all equally wide.
fn advance(character: char) -> f64 {
    match character {
        ' ' => SPACE,
        '0'..='9' => 4.0 + GAP,
        _ => GAP + strokes(character).split(' ').flat_map(|s| parse(s).0).map(|(x, _)| x).fold(0.0, f64::max),
    }
}

/// The points of a stroke, and whether it is a spline.
fn parse(stroke: &str) -> (Vec<Point>, bool) {
    let digits = stroke.trim_start_matches('~').as_bytes();
    let number = |digit: u8| f64::from(digit - b'0');
    let points = digits.chunks_exact(2).map(|pair| (number(pair[0]), number(pair[1]))).collect();
    (points, stroke.starts_with('~'))
}

/// The quadratic B-spline of a control polygon as a polyline: an arc around each inner corner, from the middle of
/// one side to the middle of the next.
fn spline(corners: &[Point]) -> Vec<Point> {
    const PIECES: u32 = 10;
    let middle = |a: Point, b: Point| ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0);
    let (first, last) = (corners[0], corners[corners.len() - 1]);
    let closed = first == last;
    let mut corners = corners.to_vec();
    if closed {
        corners.push(corners[1]);
    }
    let inner = corners.len() - 2;
    let mut points = Vec::new();
    for (i, arc) in corners.windows(3).enumerate() {
        let from = if i == 0 && !closed { arc[0] } else { middle(arc[0], arc[1]) };
        let to = if i + 1 == inner && !closed { arc[2] } else { middle(arc[1], arc[2]) };
        for k in 0..=PIECES {
            let t = f64::from(k) / f64::from(PIECES);
            let (a, b, c) = ((1.0 - t) * (1.0 - t), 2.0 * t * (1.0 - t), t * t);
            points.push((a * from.0 + b * arc[1].0 + c * to.0, a * from.1 + b * arc[1].1 + c * to.1));
        }
    }
    points
}
