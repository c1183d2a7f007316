/**
 * What one statement takes of users' data, in characters: above so many it would hold up others for too long, and one of 1 GB would break the
 * connection, each time that it is sent again.
 */
export const largestStatement = 16 * 1024 * 1024;
