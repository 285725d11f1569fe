/// A matrix of f32 in NumPy's format, version 1.0: a header that ends at a multiple of 64 bytes, then the rows.
///
/// # Panics
/// When there are not rows × columns values.
pub fn bytes(rows: usize, columns: usize, values: &[f32]) -> Vec<u8> {
    assert_eq!(rows * columns, values.len(), "{rows} rows of {columns}, {} values", values.len());
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}").into_bytes();
    let before = MAGIC.len() + 2;
    let end = (before + header.len() + 1).next_multiple_of(64);
    header.resize(end - before - 1, b' ');
    header.push(b'\n');
    let mut bytes = Vec::with_capacity(end + 4 * values.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
    bytes.extend(header);
    values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    bytes
}

const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_as_numpy_writes_it() {
        let bytes = bytes(1, 2, &[1.0, -2.0]);
        let header = &bytes[..128];
        assert_eq!(&header[..10], b"\x93NUMPY\x01\x00v\x00");
        assert!(header[10..].starts_with(b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }  "));
        assert_eq!(header[127], b'\n');
        assert_eq!(bytes[128..], [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
    }
}
